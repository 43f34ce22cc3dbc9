"""Say which digit is in a picture: python classify_image.py IMAGE... (the work is done in model.classify)."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.errors import one_line, one_line_errors
from model.files import path_argument

if TYPE_CHECKING:  # torch takes a second to import, and --help must not wait for it
    from model.classify import Prediction

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def classify_image(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Pictures, each of one digit.")],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="An export folder. [default: the newest below runs/]",
            show_default=False,
            parser=path_argument,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array, with an object per picture.")] = False,
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
        raise typer.Exit(_classify(images, model, as_json, top, show))


def _classify(images: list[str], model: Path | None, as_json: bool, top: int, show: Path | None) -> int:
    """Print what the model says of each picture, and return 1 if a picture could not be used, else 0.

    Raises: ExportError; OSError for a folder that may not be entered.
    """
    import torch

    from model.classify import caveat, classify
    from model.export import chosen_export, read_export

    torch.set_num_threads(1)  # pictures are small: on a busy machine threads wait for each other longer than they work
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it is closed
        stream.reconfigure(errors="backslashreplace")  # any name, any terminal
    export = read_export(chosen_export(model))
    if note := caveat(export):
        print(f"note: {note}", file=sys.stderr)
    predictions = classify([*images], export, show)
    if as_json:
        print(json.dumps([asdict(prediction) for prediction in predictions], indent=2))
    else:
        _print_lines(predictions, export.classes, top)
    return int(any(prediction.error for prediction in predictions))


def _print_lines(predictions: "list[Prediction]", classes: list[str], top: int) -> None:
    """Print one line per picture: its most probable digits, or on stderr why it could not be used."""
    for prediction in predictions:
        stream = sys.stderr if prediction.error else sys.stdout
        print(one_line(_sentence(prediction, classes, top)), file=stream)


def _sentence(prediction: "Prediction", classes: list[str], top: int) -> str:
    """Return the line for one picture, such as "seven.png: 7 (99.1 %), 1 (0.4 %)"."""
    if prediction.probabilities is None:
        return str(prediction.error)
    ranked = sorted(enumerate(prediction.probabilities), key=lambda pair: -pair[1])[:top]
    shares = ", ".join(f"{classes[index]} ({100 * share:.1f} %)" for index, share in ranked)
    return f"{prediction.image}: {shares}"


def main() -> None:
    app()


if __name__ == "__main__":
    main()
