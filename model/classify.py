"""Classification of pictures: paths in, digits and probabilities out."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from model.calibration import calibrated
from model.decode import ImageError
from model.export import Export
from model.image import load_digit
from model.marks import REMEDY

BATCH = 1000
SURE = 0.99  # a less probable answer is asked for again, of the digit turned, scaled and slanted a little
LIKELY = 0.5  # the least mean probability, over these views, of what is called a digit
# Of each view: the angle in radians, the scale, the slant.
VIEWS = ((0, 1, 0), (0.2, 1, 0), (-0.2, 1, 0), (0, 0.88, 0), (0, 1.12, 0), (0, 1, 0.25), (0, 1, -0.25))


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
    likely = _likeliness(images, probabilities, export).tolist()
    for index, row, mean in zip(digits, probabilities.tolist(), likely, strict=True):
        name = predictions[index].image
        best = row.index(max(row))
        found = {"digit": best, "probability": row[best], "probabilities": row}
        if not math.isfinite(sum(row)):  # weights or a normalisation that nobody trained
            found = {"error": f"{name}: the model gives no probabilities; export it again"}
        elif mean < LIKELY:
            what = f"no digit found, at best something like {export.classes[best]} ({100 * mean:.0f} %)"
            found = {"error": f"{name}: {what}; {REMEDY}"}
        predictions[index] = replace(predictions[index], **found)
    return predictions


def _likeliness(images: Tensor, probabilities: Tensor, export: Export) -> Tensor:
    """Return how probable the best class of each image (N, 1, 28, 28) is (N,), where not sure on the mean of VIEWS.

    A digit stays what it is when it is turned or slanted a little; noise and scribble become now this, now that.
    """
    likely, best = probabilities.max(dim=1)
    doubtful = (likely < SURE).nonzero()[:, 0]
    if len(doubtful):
        views = [_probabilities(_view(images[doubtful], *view), export) for view in VIEWS]
        likely[doubtful] = torch.stack(views).mean(dim=0).gather(1, best[doubtful, None])[:, 0]
    return likely


def _view(images: Tensor, angle: float, scale: float, slant: float) -> Tensor:
    """Return images (N, 1, 28, 28) turned by `angle` in radians, scaled and slanted about their middle."""
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    matrix = torch.tensor([[cos, slant * cos - sin, 0], [sin, slant * sin + cos, 0]])
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@torch.inference_mode()
def _probabilities(images: Tensor, export: Export) -> Tensor:
    """Return the network's calibrated probabilities (N, 10) for images (N, 1, 28, 28) in [0, 1]."""
    log_probabilities: Tensor = export.net((images - export.mean) / export.std).double()
    return calibrated(log_probabilities, export.temperature).exp()
