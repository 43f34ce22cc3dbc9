"""Classification of pictures: pictures in, digits and probabilities out."""

import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model.calibration import calibrated
from model.catalogue import FALLBACK
from model.export import Export
from model.files import write_atomically
from model.image import digit_of
from model.marks import REMEDY
from model.novelty import novelty
from model.picture import ImageError, Picture, name_of, pictures_of, source_of

BATCH = 1000


@dataclass(frozen=True)
class Prediction:
    """The network's answer for one picture: either `error` is None, or all else but the image's name is."""

    image: str
    digit: int | None = None
    probability: float | None = None
    probabilities: list[float] | None = None
    error: str | None = None


def classify(
    pictures: Picture | Iterable[Picture],
    export: Export,
    show: Path | str | None = None,
    on_read: Callable[[], None] | None = None,
) -> list[Prediction]:
    """Return one prediction for each picture, in order; a picture that cannot be used has an `error` in it.

    `pictures` is one picture or many: each a path, bytes, an open file, an array or an image of Pillow's; those without
    a name are called by their number, from 1. What the network saw of each is written to the folder `show`, if given.
    `on_read` is called after each picture that was read.
    Raises: TypeError for what is no picture; OSError for `show` alone.
    """
    many, predictions = pictures_of(pictures), list[Prediction]()
    for start in range(0, len(many), BATCH):
        names, digits, errors = _load(many[start : start + BATCH], start, on_read)
        if show:
            _write(Path(show), {start + index: (names[index], digit) for index, digit in digits.items()})
        predictions += _answers(names, digits, errors, export)
    return predictions


def look(picture: Picture, export: Export) -> tuple[Prediction, Tensor | None]:
    """Return the prediction for one picture, and what the network saw of it, uint8 (28, 28), if anything.

    Raises: TypeError for what is no picture.
    """
    names, digits, errors = _load([picture], 0)
    (prediction,) = _answers(names, digits, errors, export)
    return prediction, digits.get(0)


def caveat(export: Export) -> str | None:
    """Return in one line what to know before the answers of an export are believed; None where it is nothing."""
    if export.provenance.get("dataset") == FALLBACK:
        return "this model learned from the small UCI digits, not MNIST: expect more mistakes"
    return None


def _load(
    pictures: list[Picture], start: int, on_read: Callable[[], None] | None = None
) -> tuple[list[str], dict[int, Tensor], dict[int, str]]:
    """Return the names of pictures, and by their index the digits, uint8 (28, 28), and the errors in their place."""
    names: list[str] = []
    digits: dict[int, Tensor] = {}
    errors: dict[int, str] = {}
    for index, picture in enumerate(pictures):
        names.append(name_of(picture, f"picture {start + index + 1}"))
        try:
            digits[index] = digit_of(source_of(picture, names[index]))
        except ImageError as error:
            errors[index] = str(error)
        if on_read:
            on_read()
    return names, digits, errors


def _write(folder: Path, digits: dict[int, tuple[str, Tensor]]) -> None:
    """Write digits, uint8 (28, 28), as PNG files with the number and the name of their picture. Raises: OSError."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index, (called, digit) in digits.items():
        name = re.sub(r"[^\w.-]", "_", Path(called).stem, flags=re.ASCII)[:60]
        png = io.BytesIO()
        Image.fromarray(digit.numpy()).save(png, "PNG")
        write_atomically(folder / f"{index + 1:04d}_{name}.png", png.getvalue())


def _answers(names: list[str], digits: dict[int, Tensor], errors: dict[int, str], export: Export) -> list[Prediction]:
    """Return the predictions for pictures whose digits go through the network together."""
    predictions = [Prediction(image=name, error=errors.get(index)) for index, name in enumerate(names)]
    if not digits:
        return predictions
    images = torch.stack(list(digits.values()))[:, None].float() / 255
    probabilities = _probabilities(images, export)
    for index, row, novel in zip(digits, probabilities.tolist(), _novel(images, export), strict=True):
        name = predictions[index].image
        best = row.index(max(row))
        found = {"digit": best, "probability": row[best], "probabilities": row}
        if not math.isfinite(sum(row)):  # weights or a normalisation that nobody trained
            found = {"error": f"{name}: the model gives no probabilities; export it again"}
        elif novel:
            what = f"no digit found, at best something like {export.classes[best]} ({100 * row[best]:.0f} %)"
            found = {"error": f"{name}: {what}; {REMEDY}"}
        predictions[index] = replace(predictions[index], **found)
    return predictions


def _novel(images: Tensor, export: Export) -> list[bool]:
    """Return whether each image (N, 1, 28, 28) in [0, 1] looks like no digit; an older export can't tell."""
    if export.novelty is None:
        return [False] * len(images)
    found: list[bool] = (
        novelty(export.net, _normalised(images, export), export.novelty) > export.novelty.limit
    ).tolist()
    return found


def _normalised(images: Tensor, export: Export) -> Tensor:
    return (images - export.mean) / export.std


@torch.inference_mode()
def _probabilities(images: Tensor, export: Export) -> Tensor:
    """Return the network's calibrated probabilities (N, 10) for images (N, 1, 28, 28) in [0, 1]."""
    log_probabilities: Tensor = export.net(_normalised(images, export)).double()
    return calibrated(log_probabilities, export.temperature).exp()
