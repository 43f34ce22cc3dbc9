"""Whether more trials would pay, from what the last ones gained, and the epochs that early stopping saved."""

import pandas as pd

from analysis.numbers.summary import finished

FEW = 8  # trials below which their trend would be a guess


def is_worthwhile(risen: float, noise: float) -> bool:
    """Return whether the best single run rose by more than the noise of a run while the number of trials doubled.

    Among equal trials it rises too: by a third of the standard deviation `noise` between seeds on average, and by more
    than all of it in 16, 12 and 11 of 100 searches of 8, 16 and 24 trials (simulated normal values). What the last
    doubling brought is more than the next one will: gains shrink as the best is approached.
    """
    return risen > noise


def room(trials: pd.DataFrame) -> float | None:
    """Return how much the second half of the trials raised the best accuracy; None where this can't be told.

    As many trials again are to gain less: gains shrink as the best is approached.
    """
    best = finished(trials)
    early = best[best.number < len(trials) // 2]
    if len(trials) < FEW or early.empty:
        return None
    return float(best.val_accuracy.max() - early.val_accuracy.max())


def epochs_saved(trials: pd.DataFrame) -> int:
    """Return how many epochs the trials that were stopped early did not train."""
    stopped = trials[trials.state == "pruned"]  # paused ones may go on
    return int((stopped.epochs - stopped.epochs_run).sum())
