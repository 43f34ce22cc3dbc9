"""Means and Student-t intervals of the confirmation runs, which decide whether the winner really leads."""

import math

import pandas as pd
from scipy import stats

LEVEL = 0.95
COLUMNS = ["candidate", "n", "mean", "std", "low", "high", "num_unfinished"]


def confirmation(confirm: pd.DataFrame) -> pd.DataFrame:
    """Return one row per candidate, the highest mean first and the lower number first among equal means.

    Columns: candidate (the number of the search trial), n (complete runs), mean and std (of the sample) of
    val_accuracy, low and high (the limits of the mean's 95 % interval), and num_unfinished (runs that failed or have
    not ended). std, low and high are NaN for n = 1; for n = 0 the mean is NaN too.

    The interval is Student's t over seeds at a fixed validation split, so it covers training again but not other
    images. It is clipped to [0, 1], the range of an accuracy.
    """
    rows = []
    for candidate, runs in confirm.groupby("candidate"):
        accuracy = runs.val_accuracy[runs.state == "complete"]
        n = len(accuracy)
        rows.append([candidate, n, accuracy.mean(), accuracy.std(), *_interval(accuracy), len(runs) - n])
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values(["mean", "candidate"], ascending=[False, True])
    return table.reset_index(drop=True)


def _interval(accuracy: pd.Series) -> tuple[float, float]:
    """Return the limits of the mean's interval, clipped to [0, 1]; both are NaN for fewer than two values."""
    if len(accuracy) < 2:
        return math.nan, math.nan
    mean, error = accuracy.mean(), accuracy.sem()
    # scipy returns NaN for a standard error of 0.
    low, high = stats.t.interval(LEVEL, len(accuracy) - 1, loc=mean, scale=error) if error else (mean, mean)
    return max(low, 0.0), min(high, 1.0)
