"""python -m search CONFIG: one command from a configuration to a report and an exported network."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
confirm_app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)

Address = Annotated[str | None, typer.Option(help="A running Ray cluster, as HOST:PORT. Default: this machine alone.")]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the data sets. Default: DIGIT_SEARCH_DATA, else the user's cache.", readable=False),
]
# readable=False: what may not be read is told in one line below, not in typer's four.
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the last lines only.")]


@app.command()
def search(
    config: Annotated[Path, typer.Argument(help="A TOML file; those in configs/ are commented.", readable=False)],
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.", readable=False)] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run. Default: the configuration's file name.")] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials, instead of search.trials.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Begin, continue or extend the run of that name.")] = False,
    address: Address = None,
    data: Data = None,
    quiet: Quiet = False,
) -> None:
    """Search the hyperparameters that CONFIG names; confirm the best, export the winner, write a report."""

    def work() -> int:
        from search.experiment import check_cpus, load_experiment, with_trials
        from search.progress import Progress

        run_dir = _run_dir(out, name or config.stem)
        experiment = with_trials(load_experiment(config), trials)
        if address is None:
            check_cpus(experiment, str(config))
        from search.run import run_search

        progress = Progress(quiet)
        return _with_report(
            lambda on_gone: run_search(
                experiment, run_dir, progress, resume=resume, address=address, data=data, on_gone=on_gone
            ),
            run_dir,
            progress,
            _command("search", *([] if resume else ["--resume"])),
        )

    _exit(work)


@confirm_app.command()
def confirm(
    run_dir: Annotated[Path, typer.Argument(help="The folder of a run, finished or interrupted.", readable=False)],
    address: Address = None,
    data: Data = None,
    quiet: Quiet = False,
) -> None:
    """Train the best trials of RUN_DIR again on fresh seeds, export the winner, write a report."""

    def work() -> int:
        from search.progress import Progress
        from search.run import run_confirm

        progress = Progress(quiet)
        return _with_report(
            lambda on_gone: run_confirm(run_dir, progress, address=address, data=data, on_gone=on_gone),
            run_dir,
            progress,
            _command("search.confirm"),
        )

    _exit(work)


def main() -> None:
    app()


def confirm_main() -> None:
    confirm_app()


def _with_report(run: Callable[[Callable[[str], None]], Any], run_dir: Path, progress: Any, again: str) -> int:
    """Run, then write the report however it ended; say where everything is."""
    from model.data import DataError
    from model.errors import ConfigError

    outcome = None

    def on_gone(missing: str) -> None:
        progress.end()
        progress.warn(f"Ray is gone: {missing} no longer answers; no trial is lost")
        progress.result(f"go on with: {again}")  # first of all: Ray may end this process at any moment
        _report(run_dir, progress)

    try:
        outcome = run(on_gone)
    except KeyboardInterrupt:
        progress.warn("stopped at once")
    except (ConfigError, DataError, PermissionError):
        raise  # what was asked for was refused, and the folder may be closed to a report too
    except BaseException:
        _report(run_dir, progress)
        raise
    _report(run_dir, progress)
    if outcome is None or outcome.stopped:
        why = outcome.stopped if outcome else "interrupted"
        progress.result(f"{why}; go on with: {again}")
        return 130 if why == "interrupted" else 1
    if outcome.export is None:
        progress.result("no trial was complete, so nothing was exported; the report says why trials ended")
        return 1
    progress.result(_scores(outcome.export))
    progress.result(f"model     {outcome.export}")
    progress.result(f"classify  python classify_image.py IMAGE... --model {outcome.export}")
    return 0


def _report(run_dir: Path, progress: Any) -> None:
    """Write the report; a report that can't be written must not hide how the search ended."""
    from analysis.report import write_report
    from search.store.study import is_run

    try:
        if not is_run(run_dir):
            return
        progress.result(f"report    {write_report([run_dir])}")
    except Exception as error:
        progress.warn(f"no report: {error}; try: python -m analysis {run_dir}")


def _scores(export: Path) -> str:
    from model.card import read_card

    card = read_card(export)
    metrics, provenance = card.metrics, card.provenance
    validation = f"validation {metrics['val_accuracy']:.2%} ({metrics['val_accuracy_of']})"
    test = f"test {metrics['test_accuracy']:.2%} of {metrics['test_images']:,} images of {provenance['dataset']}"
    return f"winner    trial {provenance['source']['candidate']}: {validation}, {test}"


def _command(module: str, *more: str) -> str:
    """This very command, and `more`."""
    return shlex.join(["python", "-m", module, *sys.argv[1:], *more])


def _run_dir(out: Path, name: str) -> Path:
    from model.errors import ConfigError

    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise ConfigError(f"--name {name}: must be the name of one folder, without '/'")
    place = str((out / name).absolute())
    if "\n" in place or place.encode("utf-8", "replace").decode() != place:  # the study's address can't hold it
        raise ConfigError(f"{place}: a run's folder needs a name on one line, in UTF-8; choose another --out or --name")
    return out / name


def _exit(work: Callable[[], int]) -> None:
    """Run `work`; what a user can correct ends in one line and exit code 2, without a traceback."""
    try:
        code = work()
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        said = _said(error)
        if said is None:
            raise
        from model.errors import one_line

        print(f"error: {one_line(said)}", file=sys.stderr)
        code = 2
    raise typer.Exit(code)


def _said(error: Exception) -> str | None:
    """The line for an error that a user can correct; None for any other."""
    from model.data import DataError
    from model.errors import ConfigError, causes, is_full, of_file
    from search.store.database import why_lost

    if is_full(error):
        *_, cause = causes(error)
        return f"no room left on a disk ({' '.join(str(cause).split())[:200]}); free some, then go on with --resume"
    if isinstance(error, ConfigError | DataError):
        return str(error)
    if reason := why_lost(error):
        return f"the study's database no longer answers ({reason}); see to it, then go on with --resume"
    if isinstance(error, OSError) and error.filename:
        return of_file(error)
    return None


if __name__ == "__main__":
    main()
