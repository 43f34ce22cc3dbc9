"""The command `python -m analysis RUN_DIR...`, which writes tables, figures and a page of what was learned."""

import sys
from pathlib import Path
from typing import Annotated

# `python -m` puts the working directory first, where a model.py of the user's would take the place of ours.
if __name__ == "__main__" and not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[1]:
    del sys.path[0]

import typer

from model.command import start
from model.completion import runs
from model.errors import one_line_errors
from model.files import path_argument

EXAMPLES = """\b
Examples:
  python -m analysis runs/quick
  python -m analysis runs/quick runs/mnist --out both
"""
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def report(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of runs, such as runs/quick; several are compared.",
            parser=path_argument,
            metavar="RUN_DIR",
            autocompletion=runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the report. Default: report/ in the first run.", parser=path_argument, metavar="DIR"
        ),
    ] = None,
) -> None:
    """Write a report of RUN_DIRS: index.html, trials.csv, epochs.csv and figures. Print the path of index.html."""
    from analysis.report import write_report

    with one_line_errors():
        print(write_report(run_dirs, out))


def main() -> None:
    start(app, installed="digit-report")


if __name__ == "__main__":
    main()
