"""search run CONFIG: a search from its configuration to its report."""

import ctypes
import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from model.completion import configurations
from model.errors import one_line_errors, summary
from model.interruptions import check, farewell, listening
from search.cli.app import FOLDER, PATH, Address, AsJson, Data, Quiet, app
from search.cli.ending import conclude, ended_at_once, last_words, reported, this_command

PR_SET_PDEATHSIG = 1  # prctl(2)


EXAMPLES = """\b
Examples:
  python -m search run configs/mnist.toml
  python -m search run configs/mnist.toml --resume --trials 200
  python -m search run configs/mnist.toml --address HOST:PORT --out /shared/runs
"""


@app.command("run", short_help="Search, confirm the best, export the winner, write a report.", epilog=EXAMPLES)
def run(
    config: Annotated[
        Path,
        typer.Argument(
            help="A TOML file; those in configs/ are commented.",
            **PATH,
            metavar="CONFIG",
            autocompletion=configurations,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.", **FOLDER)] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run. Default: the configuration's file name.")] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials, instead of search.trials.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Begin the run of that name, or go on with it.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="With --resume: try again what failed.")] = False,
    address: Address = None,
    data: Data = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="The process that follows, by id.")] = None,
    events: Annotated[int | None, typer.Option(hidden=True, help="Its pipe for the events, a descriptor.")] = None,
) -> None:
    """Search the hyperparameters that CONFIG names; confirm the best, export the winner, write a report."""
    if parent is not None:
        _end_with(parent)
    if events is not None:
        os.set_inheritable(events, False)  # it ends with this process, not with its children
    with _telling_errors(events), listening():
        from analysis.numbers.wording import count
        from search.experiment import check_cpus, load_experiment, with_trials
        from search.on_ray.door import over_ray, ray_begun
        from search.progress import progress_of
        from search.store.folder import check_folder, folder_of
        from search.store.location import is_run

        run_dir = folder_of(out, name or config.stem)
        experiment = with_trials(load_experiment(config), trials)
        if address is None:
            check_cpus(experiment, str(config))
        if not is_run(run_dir):  # of a run its trials would be read for it, which is done later anyway
            check_folder(experiment, run_dir, resume=resume)
        check()
        again, retry = this_command(["--resume"]), this_command(["--resume", "--retry-failed"])
        if parent is not None:
            again, retry = "the same call with resume=True", "the same call with resume=True and retry_failed=True"
        searched = count(len(experiment.space.searched), "hyperparameter")
        with closing(progress_of(quiet, as_json, events)) as progress, farewell(ended_at_once(progress, again)):
            progress.say(f"{count(experiment.search.trials, 'trial')}, {searched} searched")
            with reported(run_dir, progress, again), ray_begun(run_dir, experiment, address) as begun:
                from search.run import correctable, run_search  # torch comes with it

                check()
                ray = over_ray(last_words(run_dir, progress, again), begun)
                options = {"resume": resume, "retry_failed": retry_failed}
                with correctable():
                    outcome = run_search(
                        experiment, run_dir, progress, **options, address=address, data=data, connect=ray
                    )
            raise typer.Exit(conclude(outcome, progress, again, retry))


@contextmanager
def _telling_errors(events: int | None) -> Iterator[None]:
    """Turn errors that a person can correct into one line, and report all to the process that follows, if one does."""

    def tell(**event: str) -> None:
        if events is not None:
            with suppress(OSError):  # it is gone
                os.write(events, f"{json.dumps(event)}\n".encode())

    tell(began="search run")
    try:
        with one_line_errors(lambda text: tell(error=text)):
            yield
    except typer.Exit:
        raise
    except Exception as error:
        tell(crash=f"{type(error).__name__}: {summary(error)}")
        raise


def _end_with(parent: int) -> None:
    """Have this process end tidily when the process that started it ends. Comes first, before anything slow."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it has ended already
        raise SystemExit(1)
