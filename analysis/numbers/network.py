"""The exported network as far as it can be looked at, and what its answers tell: which digits it confuses, how sure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DIGITS = 10
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
