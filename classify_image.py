"""Says which digit is in a picture: python classify_image.py IMAGE... (the work is done in model.classify)."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # torch takes a second to import: --help does not wait for it
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
            readable=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, an object per picture.")] = False,
    top: Annotated[int, typer.Option(min=1, max=10, metavar="K", help="Show the K most probable digits.")] = 1,
) -> None:
    """Say which digit is in each picture, and how probable that is.

    Exit code 1 if a picture could not be used, 2 if the model or the command line could not.
    """
    import torch

    from model.card import ExportError, where_it_lies
    from model.catalogue import FALLBACK
    from model.classify import classify
    from model.errors import one_line
    from model.export import newest_export, read_export

    torch.set_num_threads(1)  # pictures are small: on a busy machine threads wait for each other longer than they work
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # any name, any terminal
    try:
        folder = model or newest_export(Path("runs"))
        within = where_it_lies(folder / "export")  # a run's folder will do
        export = read_export(within if within.is_dir() else folder)
    except ExportError as error:
        raise _refused(str(error)) from None
    except OSError as error:  # of a folder that may not be entered
        raise _refused(f"{error.filename}: {error.strerror}; name another export folder") from None
    if export.provenance.get("dataset") == FALLBACK:
        print("note: this model learned from the small UCI digits, not MNIST: expect more mistakes", file=sys.stderr)
    predictions = classify([*images], export)
    if as_json:
        print(json.dumps([asdict(prediction) for prediction in predictions], indent=2))
    else:
        for prediction in predictions:
            stream = sys.stderr if prediction.error else sys.stdout
            print(one_line(_sentence(prediction, export.classes, top)), file=stream)
    if any(prediction.error for prediction in predictions):
        raise typer.Exit(1)


def _refused(reason: str) -> typer.Exit:
    from model.errors import one_line

    print(one_line(reason), file=sys.stderr)
    return typer.Exit(2)


def _sentence(prediction: "Prediction", classes: list[str], top: int) -> str:
    if prediction.probabilities is None:
        return str(prediction.error)
    ranked = sorted(enumerate(prediction.probabilities), key=lambda pair: -pair[1])[:top]
    shares = ", ".join(f"{classes[index]} ({100 * share:.1f} %)" for index, share in ranked)
    return f"{prediction.image}: {shares}"


def main() -> None:
    app()


if __name__ == "__main__":
    main()
