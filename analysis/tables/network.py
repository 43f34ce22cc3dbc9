"""The exported network, read from the files of its export."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.numbers.network import Mistake, Network
from model.card import INSIGHT, ExportError, ModelCard, read_verified

SIDE = 28  # pixels


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


def _pixels(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(SIDE, SIDE)
