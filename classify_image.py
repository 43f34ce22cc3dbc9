"""Say which digit is in a picture: python classify_image.py IMAGE... (the work is done in model.classify)."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from model.command import start
from model.completion import exports
from model.errors import ConfigError, complain, one_line, one_line_errors
from model.files import path_argument

EXAMPLES = """\b
Examples:
  python classify_image.py photo.jpg scans/ 'more/*.png'
  python classify_image.py scans/ --model runs/quick/export --csv
  python classify_image.py - --json < photo.jpg
"""
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def classify_image(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE", help="Pictures, each of one digit: files, folders, quoted patterns, - for standard input."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="An export folder. [default: the newest below runs/]",
            show_default=False,
            parser=path_argument,
            autocompletion=exports,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array, with an object per picture.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table in CSV, with a row per picture.")] = False,
    top: Annotated[int, typer.Option(min=1, max=10, metavar="K", help="Show the K most probable digits.")] = 1,
    show: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write what the network saw of each picture, 28x28 pixels.", parser=path_argument
        ),
    ] = None,
) -> None:
    """Say which digit is in each picture, and how probable that is.

    Exit code 1 if a picture could not be used, 2 if the model or the command line could not.
    """
    with one_line_errors():
        if as_json and as_csv:
            raise ConfigError("--json and --csv: only one of them can be printed; leave one out")
        raise typer.Exit(_classify(images, model, as_json, as_csv, top, show))


def _classify(words: list[str], model: Path | None, as_json: bool, as_csv: bool, top: int, show: Path | None) -> int:
    """Print what the model says of each picture, and return 1 if a picture could not be used, else 0.

    Raises: ExportError; OSError for a folder that may not be entered.
    """
    import torch

    from model import answers
    from model.classify import caveat, classify
    from model.export import chosen_export, read_export
    from model.gather import gathered
    from model.waiting import counted

    torch.set_num_threads(1)  # pictures are small: on a busy machine threads wait for each other longer than they work
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it is closed
        stream.reconfigure(errors="backslashreplace")  # any name, any terminal
    export = read_export(chosen_export(model))
    if export.folder != model:
        complain(one_line(f"model: {export.folder}"))
    if note := caveat(export):
        complain(f"note: {note}")
    pictures = gathered(words)
    with counted(len(pictures)) as on_read:
        predictions = classify(pictures, export, show, on_read)
    if as_json:
        print(answers.as_json(predictions))
    elif as_csv:
        print(answers.as_csv(predictions))
    else:
        for line, is_error in answers.as_lines(predictions, export.classes, top):
            print(line, file=sys.stderr if is_error else sys.stdout)
    return int(any(prediction.error for prediction in predictions))


def main() -> None:
    start(app, installed="classify-image")


if __name__ == "__main__":
    main()
