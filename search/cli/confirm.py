"""search confirm RUN_DIR: what a run has found so far, confirmed and exported."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from model.completion import runs
from model.errors import one_line_errors
from model.interruptions import check, farewell, listening
from search.cli.app import PATH, Address, AsJson, Data, Quiet, app
from search.cli.ending import conclude, ended_at_once, last_words, reported, this_command

EXAMPLES = """\b
Examples:
  python -m search confirm runs/mnist
  python -m search confirm runs/mnist --pick 7
"""


@app.command("confirm", short_help="Confirm and export what an interrupted run has found so far.", epilog=EXAMPLES)
def confirm(
    run_dir: Annotated[
        Path,
        typer.Argument(
            help="The folder of a run, finished or interrupted.", **PATH, metavar="RUN_DIR", autocompletion=runs
        ),
    ],
    pick: Annotated[int | None, typer.Option(help="Export this complete trial. Default: the winner.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed.")] = False,
    address: Address = None,
    data: Data = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the best trials of RUN_DIR again on fresh seeds, export the winner or --pick, write a report."""
    with one_line_errors(), listening():
        from search.store.location import check_run
        from search.store.resolved import load_resolved

        check_run(run_dir)
        experiment = load_resolved(run_dir)

        from search.on_ray.door import over_ray
        from search.progress import progress_of
        from search.run import correctable, run_search

        check()
        again = this_command([])
        options: dict[str, Any] = {"resume": True, "searching": False, "pick": pick, "retry_failed": retry_failed}
        with closing(progress_of(quiet, as_json)) as progress, farewell(ended_at_once(progress, again)):
            ray = over_ray(last_words(run_dir, progress, again))
            with reported(run_dir, progress, again), correctable():
                outcome = run_search(experiment, run_dir, progress, **options, address=address, data=data, connect=ray)
            retry = this_command(["--retry-failed"])
            if outcome.failures and outcome.failures.of_search:  # this command leaves the search's trials as they are
                retry = "python -m search run CONFIG --resume --retry-failed"
            raise typer.Exit(conclude(outcome, progress, again, retry))
