"""Classification of pictures: paths in, digits and probabilities out."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model.calibration import calibrated
from model.decode import ImageError
from model.export import Export
from model.image import load_digit
from model.marks import REMEDY
from model.novelty import novelty

BATCH = 1000


@dataclass(frozen=True)
class Prediction:
    """The network's answer for one picture: either `error` is None, or all else but the image's name is."""

    image: str
    digit: int | None = None
    probability: float | None = None
    probabilities: list[float] | None = None
    error: str | None = None


def classify(paths: list[Path | str], export: Export, show: Path | None = None) -> list[Prediction]:
    """Return one prediction for each path, in order; a picture that cannot be used has an `error` in it.

    What the network saw of each picture is written to the folder `show`, if given. Raises: OSError, there only.
    """
    predictions = []
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        digits, errors = _load(batch)
        if show:
            _write(show, {start + index: (batch[index], digit) for index, digit in digits.items()})
        predictions += _answers(batch, digits, errors, export)
    return predictions


def _load(paths: list[Path | str]) -> tuple[dict[int, Tensor], dict[int, str]]:
    """Return the digits, uint8 (28, 28), and the errors in their place, by the index of the picture."""
    digits: dict[int, Tensor] = {}
    errors: dict[int, str] = {}
    for index, path in enumerate(paths):
        try:
            digits[index] = load_digit(Path(path))
        except ImageError as error:
            errors[index] = str(error)
    return digits, errors


def _write(folder: Path, digits: dict[int, tuple[Path | str, Tensor]]) -> None:
    """Write digits, uint8 (28, 28), as PNG files with the number and the name of their picture. Raises: OSError."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index, (path, digit) in digits.items():
        name = re.sub(r"[^\w.-]", "_", Path(path).stem, flags=re.ASCII)[:60]
        Image.fromarray(digit.numpy()).save(folder / f"{index + 1:04d}_{name}.png")


def _answers(
    paths: list[Path | str], digits: dict[int, Tensor], errors: dict[int, str], export: Export
) -> list[Prediction]:
    """Return the predictions for pictures whose digits go through the network together."""
    predictions = [Prediction(image=str(path), error=errors.get(index)) for index, path in enumerate(paths)]
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
