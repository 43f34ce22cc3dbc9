"""The command `python -m analysis RUN_DIR...`, which writes tables, figures and a page of what was learned."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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
    from model.errors import ConfigError, of_file, one_line

    try:
        print(write_report(run_dirs, out))
    except (ConfigError, OSError) as error:
        message = of_file(error) if isinstance(error, OSError) and error.filename else str(error)
        print(f"error: {one_line(message)}", file=sys.stderr)
        raise typer.Exit(2) from None


def main() -> None:
    app()


if __name__ == "__main__":
    main()
