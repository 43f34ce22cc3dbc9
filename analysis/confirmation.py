"""Is the winner really the winner: means over fresh seeds, with Student-t intervals."""

import math

import pandas as pd
from scipy import stats

LEVEL = 0.95
COLUMNS = ["candidate", "n", "mean", "std", "low", "high", "num_unfinished"]


def confirmation(confirm: pd.DataFrame) -> pd.DataFrame:
    """One row per candidate, the highest mean first, the lower number first among equals.

    Columns: candidate (number of the search trial), n (complete runs), mean, std (of the sample) and the limits
    low, high of the 95 % interval of val_accuracy, num_unfinished (runs that failed or have not ended). std, low and
    high are NaN for n = 1, mean as well for n = 0. The interval is Student's t over seeds at a fixed validation split:
    it speaks of training again, not of other images. It ends where an accuracy does, at 0 and at 1.
    """
    rows = []
    for candidate, runs in confirm.groupby("candidate"):
        accuracy = runs.val_accuracy[runs.state == "complete"]
        n, mean, std = len(accuracy), accuracy.mean(), accuracy.std(ddof=1)
        half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * std / math.sqrt(n) if n > 1 else math.nan
        rows.append([candidate, n, mean, std, *_clipped(mean - half, mean + half), len(runs) - n])
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values(["mean", "candidate"], ascending=[False, True])
    return table.reset_index(drop=True)


def _clipped(low: float, high: float) -> tuple[float, float]:
    # Written so that NaN stays NaN.
    return (0.0 if low < 0 else low), (1.0 if high > 1 else high)
