"""The program: its commands are found here, each in a file of its own, and the options that several of them have."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from model.command import QUESTIONS
from model.files import path_argument

OF_ALL = {"--help", *QUESTIONS}


class RunByDefault(TyperGroup):
    """`search CONFIG` is short for `search run CONFIG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in OF_ALL:
            # The words are a command's: for options of all, which nobody asked for, typer would import pydantic.
            self.add_help_option, self.params = False, []
            args = args if args[0] in self.commands else ["run", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        config = self.commands["run"].params[0]
        return [*super().shell_complete(ctx, incomplete), *config.shell_complete(ctx, incomplete)]


app = typer.Typer(
    cls=RunByDefault,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Search the hyperparameters of a digit classifier. `search CONFIG` is short for `search run CONFIG`.",
    epilog="""\b
Examples:
  python -m search run configs/quick.toml
  python -m search status runs/quick --watch
  python -m search confirm runs/quick
""",
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
