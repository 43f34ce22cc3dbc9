"""The command `python -m analysis RUN_DIR...`, which writes tables, figures and a page of what was learned."""

from pathlib import Path
from typing import Annotated

import typer

from model.errors import one_line_errors

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def report(
    run_dirs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, such as runs/quick; several are compared.", readable=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report. Default: report/ in the first run.", readable=False)
    ] = None,
) -> None:
    """Write a report of RUN_DIRS: index.html, trials.csv, epochs.csv and figures."""
    from analysis.report import write_report

    with one_line_errors():
        print(write_report(run_dirs, out))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
