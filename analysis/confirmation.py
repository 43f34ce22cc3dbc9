"""Means and Student-t intervals of the confirmation runs, which decide whether the winner really leads."""

import math

import pandas as pd
from scipy import stats

from search.winner import standing

LEVEL = 0.95
COLUMNS = ["candidate", "n", "mean", "std", "low", "high", "num_failed", "num_unfinished"]


def confirmation(confirm: pd.DataFrame) -> pd.DataFrame:
    """Return one row per candidate, in the order of `search.winner.standing`, so that the winner comes first.

    Columns: candidate (the number of the search trial), n (complete runs), mean and std (of the sample) of
    val_accuracy, low and high (the limits of the mean's 95 % interval), num_failed, and num_unfinished (runs that have
    begun and not ended). std, low and high are NaN for n = 1; for n = 0 the mean is NaN too.

    The interval is Student's t over seeds at a fixed validation split, so it covers training again but not other
    images. It is clipped to [0, 1], the range of an accuracy.
    """
    rows = []
    for candidate, runs in confirm.groupby("candidate"):
        accuracy = runs.val_accuracy[runs.state == "complete"]
        n, failed = len(accuracy), int((runs.state == "failed").sum())
        place = (n == 0, *standing(int(candidate), accuracy.mean(), failed, len(runs)))
        numbers = [n, accuracy.mean(), accuracy.std(), *_interval(accuracy), failed, len(runs) - n - failed]
        rows.append((place, [candidate, *numbers]))
    rows.sort(key=lambda row: row[0])
    return pd.DataFrame([row for _, row in rows], columns=COLUMNS)


def _interval(accuracy: pd.Series) -> tuple[float, float]:
    """Return the limits of the mean's interval, clipped to [0, 1]; both are NaN for fewer than two values."""
    if len(accuracy) < 2:
        return math.nan, math.nan
    mean, error = accuracy.mean(), accuracy.sem()
    # scipy returns NaN for a standard error of 0.
    low, high = stats.t.interval(LEVEL, len(accuracy) - 1, loc=mean, scale=error) if error else (mean, mean)
    return max(low, 0.0), min(high, 1.0)
