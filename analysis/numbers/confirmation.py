"""Means and simultaneous intervals of the confirmation runs, which decide whether the winner really leads."""

import math

import pandas as pd
from scipy import stats

from search.store.candidates import Candidate, value_of
from search.strategy.racing import half_interval

TOGETHER = 0.95  # probability with which all intervals of a table cover
COLUMNS = ["candidate", "n", "mean", "std", "low", "high", "num_failed", "num_unfinished"]


def confirmation(candidates: list[Candidate]) -> pd.DataFrame:
    """Return one row per candidate, in their order: that of `search.store.candidates.ranked` has the winner first.

    Columns: candidate (the number of the search trial), n (complete runs), mean and std (of the sample) of
    val_accuracy, low and high (the limits of the mean's interval), num_failed, and num_unfinished (runs that have begun
    and not ended). std, low and high are NaN for n = 1; for n = 0 the mean is NaN too.

    The intervals are Student's t over seeds at the `level` at which all of them cover at once with 95 % probability, so
    that of the best holds though it was selected for its mean. They hold for a fixed validation split, on which the
    candidates were chosen: they cover training again, not other images. They are clipped to [0, 1], the range of an
    accuracy.
    """
    begun = [candidate for candidate in candidates if candidate.runs]
    rows = []
    for candidate in begun:
        accuracy = pd.Series([value_of(run) for run in candidate.complete], dtype=float)
        n, failed = len(accuracy), len(candidate.failed)
        interval = _interval(accuracy, level(len(begun)))
        spread = [accuracy.mean(), accuracy.std(), *interval]
        rows.append([candidate.number, n, *spread, failed, len(candidate.runs) - n - failed])
    return pd.DataFrame(rows, columns=COLUMNS)


def level(candidates: int) -> float:
    """Return the level of each interval at which those of so many candidates cover together with 95 % probability.

    This is Bonferroni's bound (Dunn 1961, "Multiple Comparisons among Means").
    """
    return 1 - (1 - TOGETHER) / candidates


def interval_words(candidates: int) -> str:
    """Return what the intervals of so many candidates are, in words."""
    if candidates == 1:
        return "95 % interval"
    return f"95 % interval, simultaneous for {candidates} candidates"


def seed_noise(table: pd.DataFrame, trials: int) -> tuple[float, float] | None:
    """Return the noise between seeds, from a table of `confirmation`, and what it means for single runs.

    The first value is the standard deviation of one run, pooled over the candidates (in quadrature, weighted by n - 1).
    The second is the difference that two of `trials` single runs, the best among them, must have to be told apart at
    the level of 5 %: Tukey's honestly significant difference (Tukey 1953, "The Problem of Multiple Comparisons"), which
    takes the spread of the candidates for that of all trials. Both are fractions. None where no candidate has two runs,
    as nothing else measures this noise: all trials are scored on the same images.
    """
    repeated = table[table.n > 1]
    if repeated.empty or trials < 2:
        return None
    freedom = int((repeated.n - 1).sum())
    deviation = math.sqrt(((repeated.n - 1) * repeated["std"] ** 2).sum() / freedom)
    return deviation, float(stats.studentized_range.ppf(TOGETHER, trials, freedom)) * deviation


def _interval(accuracy: pd.Series, level: float) -> tuple[float, float]:
    """Return the limits of the mean's interval, clipped to [0, 1]; both are NaN for fewer than two values."""
    if len(accuracy) < 2:
        return math.nan, math.nan
    mean, half = float(accuracy.mean()), half_interval(accuracy.tolist(), level)
    return max(mean - half, 0.0), min(mean + half, 1.0)
