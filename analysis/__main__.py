"""python -m analysis RUN_DIR...: tables, figures and one page of what was learned."""

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

RUNS = "Folders of runs, such as runs/quick; several are compared."
OUT = "Folder of the report. Default: report/ in the first run."
# readable=False: what may not be read is told in one line below, not in typer's four.

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def report(
    run_dirs: Annotated[list[Path], typer.Argument(help=RUNS, readable=False)],
    out: Annotated[Path | None, typer.Option(help=OUT, readable=False)] = None,
) -> None:
    """Write a report of RUN_DIRS: index.html, trials.csv, epochs.csv and figures."""
    from analysis.report import write_report
    from model.errors import one_line
    from search.space import ConfigError

    try:
        print(write_report(run_dirs, out))
    except (ConfigError, OSError) as error:
        print(f"error: {one_line(_said(error))}", file=sys.stderr)
        raise typer.Exit(2) from None


def _said(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.filename:
        return str(error)
    remedy = "free some room on its disk" if error.errno == errno.ENOSPC else "see to its permissions"
    return f"{error.filename}: {error.strerror}; {remedy}, or choose another --out"


def main() -> None:
    app()


if __name__ == "__main__":
    main()
