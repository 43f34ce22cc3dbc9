"""The program: its commands are found here, each in a file of its own, and the options that several of them have."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from model.files import path_argument


class RunByDefault(TyperGroup):
    """`search CONFIG` is short for `search run CONFIG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] != "--help":
            # The words are a command's: typer would import pydantic for the --help of all, which nobody asked for.
            self.add_help_option = False
            args = args if args[0] in self.commands else ["run", *args]
        return super().parse_args(ctx, args)


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
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per event, in place of lines.")]
