"""search status RUN_DIR: how far a run is, of a live, dead or finished one."""

import json
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.completion import runs
from model.errors import ConfigError, one_line_errors
from search.cli.app import PATH, app

PERIOD = 2.0  # seconds between two looks


EXAMPLES = """\b
Examples:
  python -m search status runs/mnist --watch
  python -m search status runs/mnist --json
"""


@app.command("status", short_help="Show how far a run is.", epilog=EXAMPLES)
def status(
    run_dir: Annotated[
        Path,
        typer.Argument(
            help="The folder of a run, live, dead or finished.", **PATH, metavar="RUN_DIR", autocompletion=runs
        ),
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until the run ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with --watch one per look.")] = False,
) -> None:
    """Show how far the run in RUN_DIR is: its stages, the best trial, what runs, how long it will take."""
    with one_line_errors():
        from search.progress import Output
        from search.progress.status import Status, read_status
        from search.progress.view import view
        from search.store.location import check_run

        check_run(run_dir)
        console = Output(goes_on=False)

        def show(found: Status) -> None:
            if as_json:
                console.write_line(json.dumps(asdict(found)))
                return
            if watch and console.is_terminal:
                console.clear()
            with console.losing():
                console.print(view(found, console.width))

        found = read_status(run_dir)
        show(found)
        with suppress(KeyboardInterrupt):
            while watch and found.state == "running" and not console.quiet:  # nobody reads it any more
                time.sleep(PERIOD)
                with suppress(ConfigError):  # a database that is busy just now
                    found = read_status(run_dir)
                    show(found)
