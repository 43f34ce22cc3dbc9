"""What an export says of its network: its answers to the test images, its first kernels, its worst mistakes."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.card import INSIGHT, ExportError, ModelCard, read_verified

DIGITS = 10
SIDE = 28  # pixels
BINS = 10  # of equal numbers of images, in `calibration`


@dataclass(frozen=True)
class Mistake:
    """A test image that the network is wrong about, as (28, 28) pixels of uint8, 0 where there is no ink."""

    index: int
    label: int
    prediction: int
    probability: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Network:
    """The exported network, as far as it can be looked at; exports of earlier versions have no kernels or mistakes."""

    predictions: pd.DataFrame  # test_predictions.csv: a row per test image
    kernels: NDArray[np.float64]  # (C, k, k), of the first convolution
    mistakes: list[Mistake]  # the most confident first


def read_network(export: Path, card: ModelCard) -> Network:
    """Return what the files of an export say of its network. Raises ExportError where one is damaged."""
    contents = read_verified(export, "test_predictions.csv")
    insight = read_verified(export, INSIGHT) if card.insight else b'{"kernels": [], "mistakes": []}'
    try:
        predictions, found = pd.read_csv(io.BytesIO(contents)), json.loads(insight)
        mistakes = [Mistake(**{**row, "pixels": _pixels(row["pixels"])}) for row in found["mistakes"]]
        return Network(predictions, np.array(found["kernels"], dtype=float), mistakes)
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{export}: test_predictions.csv or {INSIGHT} can't be read ({error})") from None


def confusion(predictions: pd.DataFrame) -> NDArray[np.int64]:
    """Return how many test images of each digit (row) the network takes for each digit (column), (10, 10)."""
    counts = np.zeros((DIGITS, DIGITS), dtype=np.int64)
    np.add.at(counts, (predictions.label.to_numpy(), predictions.prediction.to_numpy()), 1)
    return counts


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how often the network is right where it is about so sure, one row per bin, the least sure first.

    Columns: n, probability (their mean), accuracy. Each bin holds a tenth of the images whose probability is below
    0.9999; all others make a last bin, as most images of digits are that clear.
    """
    clear = predictions.probability >= 0.9999
    unsure = predictions[~clear].sort_values("probability")
    parts = [part for part in np.array_split(np.arange(len(unsure)), BINS) if len(part)]
    bins = [unsure.iloc[part] for part in parts] + ([predictions[clear]] if clear.any() else [])
    rows = [(len(rows), rows.probability.mean(), rows.correct.mean()) for rows in bins]
    return pd.DataFrame(rows, columns=["n", "probability", "accuracy"])


def _pixels(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(SIDE, SIDE)
