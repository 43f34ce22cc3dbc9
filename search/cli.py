"""The commands: python -m search run CONFIG (or short: python -m search CONFIG), and confirm RUN_DIR."""

import ctypes
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from model.errors import one_line_errors, summary
from model.files import path_argument
from model.interruptions import ending_as_at_ctrl_c

if TYPE_CHECKING:  # torch, Optuna and their like take seconds to import: --help does not wait for them
    from search.progress import Progress
    from search.winner import Outcome


class RunByDefault(TyperGroup):
    """`search CONFIG` is short for `search run CONFIG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] != "--help":
            # The words are a command's: typer would import pydantic for the --help of all, which nobody asked for.
            self.add_help_option = False
            args = args if args[0] in self.commands else ["run", *args]
        return super().parse_args(ctx, args)


PR_SET_PDEATHSIG = 1  # prctl(2)
app = typer.Typer(
    cls=RunByDefault,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Search the hyperparameters of a digit classifier. `search CONFIG` is short for `search run CONFIG`.",
)
PATH: dict[str, Any] = {"parser": path_argument}  # what may not be read is refused in one line, not in typer's four
FOLDER = {**PATH, "metavar": "DIR"}
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, as HOST:PORT. Default: this machine alone.")]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the data sets. Default: DIGIT_SEARCH_DATA, else the user's cache.", **FOLDER),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only warnings and the last lines.")]


@app.command("run", short_help="Search, confirm the best, export the winner, write a report.")
def run(
    config: Annotated[
        Path,
        typer.Argument(help="A TOML file; those in configs/ are commented.", **PATH, metavar="CONFIG"),
    ],
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.", **FOLDER)] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run. Default: the configuration's file name.")] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials, instead of search.trials.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Begin the run of that name, or go on with it.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="With --resume: try again what failed.")] = False,
    address: Address = None,
    data: Data = None,
    quiet: Quiet = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="The process that follows, by id.")] = None,
) -> None:
    """Search the hyperparameters that CONFIG names; confirm the best, export the winner, write a report."""
    if parent is not None:
        _end_with(parent)
    with one_line_errors(), ending_as_at_ctrl_c():
        from analysis.wording import count
        from search.experiment import check_cpus, load_experiment, with_trials
        from search.on_ray.door import over_ray, ray_begun
        from search.progress import Progress
        from search.store.folder import check_folder, folder_of
        from search.store.location import is_run

        run_dir = folder_of(out, name or config.stem)
        experiment = with_trials(load_experiment(config), trials)
        if address is None:
            check_cpus(experiment, str(config))
        if not is_run(run_dir):  # of a run its trials would be read for it, which is done later anyway
            check_folder(experiment, run_dir, resume=resume)
        progress, again = Progress(quiet), _command([] if resume else ["--resume"])
        if parent is not None:
            progress, again = _events_to_parent(quiet), "the same call with resume=True"
        searched = count(len(experiment.space.searched), "hyperparameter")
        progress.say(f"{count(experiment.search.trials, 'trial')}, {searched} searched")
        with ray_begun(run_dir, experiment, address) as begun:
            from search.run import correctable, run_search  # torch comes with it

            ray = over_ray(_last_words(run_dir, progress, again), begun)
            with correctable(), _reported(run_dir, progress, again):
                options = {"resume": resume, "retry_failed": retry_failed}
                outcome = run_search(experiment, run_dir, progress, **options, address=address, data=data, connect=ray)
        raise typer.Exit(_conclude(outcome, progress, again))


@app.command("confirm", short_help="Confirm and export what an interrupted run has found so far.")
def confirm(
    run_dir: Annotated[
        Path,
        typer.Argument(help="The folder of a run, finished or interrupted.", **PATH, metavar="RUN_DIR"),
    ],
    pick: Annotated[int | None, typer.Option(help="Export this complete trial. Default: the winner.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed.")] = False,
    address: Address = None,
    data: Data = None,
    quiet: Quiet = False,
) -> None:
    """Train the best trials of RUN_DIR again on fresh seeds, export the winner or --pick, write a report."""
    with one_line_errors(), ending_as_at_ctrl_c():
        from search.store.location import check_run
        from search.store.resolved import load_resolved

        check_run(run_dir)
        experiment = load_resolved(run_dir)

        from search.on_ray.door import over_ray
        from search.progress import Progress
        from search.run import correctable, run_search

        progress, again = Progress(quiet), _command([])
        ray = over_ray(_last_words(run_dir, progress, again))
        options: dict[str, Any] = {"resume": True, "searching": False, "pick": pick, "retry_failed": retry_failed}
        with correctable(), _reported(run_dir, progress, again):
            outcome = run_search(experiment, run_dir, progress, **options, address=address, data=data, connect=ray)
        raise typer.Exit(_conclude(outcome, progress, again))


def main() -> None:
    app()


def _end_with(parent: int) -> None:
    """Have this process end tidily when the process that started it ends. Comes first, before anything slow."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it has ended already
        raise SystemExit(1)


def _events_to_parent(quiet: bool) -> "Progress":
    """Return a progress that reports to the process that started this one (search.run_search) on stdout."""
    from search.progress import EventProgress

    pipe = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not mix with the events
    return EventProgress(pipe, quiet)


@contextmanager
def _reported(run_dir: Path, progress: "Progress", again: str) -> Iterator[None]:
    """Write the report however the search in the body ends, unless it was refused; `again` is what resumes it."""
    from model.errors import ConfigError

    try:
        yield
    except KeyboardInterrupt:
        progress.warn("stopped at once")
        _report(run_dir, progress)
        progress.result(f"interrupted; go on with: {again}")
        raise typer.Exit(130) from None
    except (ConfigError, PermissionError):
        raise  # the folder may be closed to a report too
    except BaseException:
        _report(run_dir, progress)
        raise
    _report(run_dir, progress)


def _conclude(outcome: "Outcome", progress: "Progress", again: str) -> int:
    """Say how the run ended and where everything is; return the exit code."""
    progress.ended(outcome.stopped, outcome.export)
    if outcome.stopped is not None:
        progress.result(f"{outcome.stopped}; go on with: {again}")
        return 130 if outcome.stopped == "interrupted" else 1
    if outcome.export is None:
        progress.result("no trial was complete, so nothing was exported; the report says why trials ended")
        return 1
    progress.result(scores(outcome.export))
    _say_worth(outcome.run_dir, progress)
    progress.result(f"model     {outcome.export}")
    progress.result(f"classify  python classify_image.py IMAGE... --model {outcome.export}")
    return 0


def _say_worth(run_dir: Path, progress: "Progress") -> None:
    """Say what the search was worth, in the words of the report."""
    with suppress(Exception):  # that the run can't be read was said of the report
        from analysis.run import read_run
        from analysis.worth import worth

        for label, words in worth(read_run(run_dir)).items():
            progress.result(f"{label:9} {words}")


def _last_words(run_dir: Path, progress: "Progress", again: str) -> Callable[[str], None]:
    """Return the callback for Ray's death, after which this process ends; its argument names the missing part."""

    def on_gone(missing: str) -> None:
        progress.end()
        progress.ray_is_gone(f"Ray is gone: {missing} no longer answers; no trial is lost")
        progress.result(f"go on with: {again}")  # first of all: Ray may end this process at any moment
        _report(run_dir, progress)

    return on_gone


def _command(more: list[str]) -> str:
    """Return this very command, and `more`."""
    return shlex.join(["python", "-m", "search", *sys.argv[1:], *more])


def _report(run_dir: Path, progress: "Progress") -> None:
    """Write the report; a report that can't be written must not hide how the search ended."""
    from search.store.location import is_run

    try:
        if is_run(run_dir):
            from analysis.report import write_report  # imports matplotlib, which may fail too

            progress.result(f"report    {write_report([run_dir])}")
    except Exception as error:
        progress.warn(f"no report: {summary(error)}; try: python -m analysis {shlex.quote(str(run_dir))}")


def scores(export: Path) -> str:
    """Return the line on the exported winner: what it reached on which images."""
    from analysis.wording import scored
    from model.card import read_card

    card = read_card(export)
    metrics, provenance = card.metrics, card.provenance
    validation = f"validation {metrics['val_accuracy']:.2%} ({metrics['val_accuracy_of']})"
    test = f"test {metrics['test_accuracy']:.2%} of {metrics['test_images']:,} images of {provenance['dataset']}"
    test += f", {scored(metrics.get('test_scorings'))}"
    label = "picked" if provenance["source"].get("picked") else "winner"
    return f"{label:9} trial {provenance['source']['candidate']}: {validation}, {test}"
