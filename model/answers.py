"""The answers of a classification as people and programs read them: lines, a JSON array, a table."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict

from model.classify import Prediction
from model.errors import one_line

COLUMNS = ("image", "digit", "probability", *(f"p{digit}" for digit in range(10)), "error")  # docs/commands.md


def as_lines(predictions: list[Prediction], classes: list[str], top: int) -> Iterator[tuple[str, bool]]:
    """Yield a line for each picture, such as "seven.png: 7 (99.1 %), 1 (0.4 %)", and whether it tells an error."""
    for prediction in predictions:
        yield one_line(_sentence(prediction, classes, top)), prediction.error is not None


def as_json(predictions: list[Prediction]) -> str:
    """Return a JSON array with an object for each picture."""
    return json.dumps([asdict(prediction) for prediction in predictions], indent=2)


def as_csv(predictions: list[Prediction]) -> str:
    """Return a table with a row for each picture; what there is no answer for is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for found in predictions:
        shares = found.probabilities or ("",) * 10
        writer.writerow((found.image, found.digit, found.probability, *shares, found.error))
    return text.getvalue().removesuffix("\n")


def _sentence(prediction: Prediction, classes: list[str], top: int) -> str:
    if prediction.probabilities is None:
        return str(prediction.error)
    ranked = sorted(enumerate(prediction.probabilities), key=lambda pair: -pair[1])[:top]
    shares = ", ".join(f"{classes[index]} ({100 * share:.1f} %)" for index, share in ranked)
    return f"{prediction.image}: {shares}"
