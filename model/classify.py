"""Classification of pictures: paths in, digits and probabilities out."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model.decode import ImageError
from model.export import Export
from model.image import load_digit

BATCH = 1000


@dataclass(frozen=True)
class Prediction:
    """The network's answer for one picture: either `error` is None, or all else but the image's name is."""

    image: str
    digit: int | None = None
    probability: float | None = None
    probabilities: list[float] | None = None
    error: str | None = None


def classify(paths: list[Path | str], export: Export) -> list[Prediction]:
    """Return one prediction for each path, in order; a picture that cannot be used has an `error` in it."""
    batches = (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))
    return [prediction for batch in batches for prediction in _classify_batch(batch, export)]


def _classify_batch(paths: list[Path | str], export: Export) -> list[Prediction]:
    """Return the predictions for at most BATCH pictures, which go through the network together."""
    predictions = [Prediction(image=str(path)) for path in paths]
    digits: dict[int, Tensor] = {}
    for index, path in enumerate(paths):
        try:
            digits[index] = load_digit(Path(path))
        except ImageError as error:
            predictions[index] = replace(predictions[index], error=str(error))
    if digits:
        rows = _probabilities(torch.stack(list(digits.values())), export).tolist()
        for index, row in zip(digits, rows, strict=True):
            best = row.index(max(row))
            found = {"digit": best, "probability": row[best], "probabilities": row}
            if not math.isfinite(sum(row)):  # weights or a normalisation that nobody trained
                found = {"error": f"{predictions[index].image}: the model gives no probabilities; export it again"}
            predictions[index] = replace(predictions[index], **found)
    return predictions


@torch.inference_mode()
def _probabilities(digits: Tensor, export: Export) -> Tensor:
    """Return the network's probabilities (N, 10) for uint8 digits (N, 28, 28)."""
    images = (digits[:, None].float() / 255 - export.mean) / export.std
    probabilities: Tensor = export.net(images).double().exp()
    return probabilities
