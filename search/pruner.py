"""Who is stopped early: asynchronous successive halving, decided on stored values alone."""

import math
from typing import Literal

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

PrunerName = Literal["halving", "median", "none"]


class AsyncHalvingPruner(BasePruner):
    """Asynchronous successive halving (ASHA: Li et al. 2020, arXiv:1810.05934) as a pure function of the study.

    At each rung, step `grace_epochs * reduction_factor**k`, a trial goes on if its value is among the best
    1/reduction_factor of all values reported at that step, its own included; the best one and its ties always go on.
    The same stored values give the same answer, asked once or twice, before or after a restart. Optuna's own
    SuccessiveHalvingPruner notes its decisions in the study and answers otherwise when it is asked again.
    """

    def __init__(self, grace_epochs: int = 1, reduction_factor: int = 3) -> None:
        if grace_epochs < 1 or reduction_factor < 2:
            raise ValueError(
                f"grace_epochs = {grace_epochs}, reduction_factor = {reduction_factor}: must be >= 1 and >= 2"
            )
        self.grace_epochs = grace_epochs
        self.reduction_factor = reduction_factor

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs after which a trial may be stopped, all before its last."""
        found = []
        rung = self.grace_epochs
        while rung < epochs:
            found.append(rung)
            rung *= self.reduction_factor
        return found

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether `trial` is to stop after its last reported step. False between rungs."""
        step = trial.last_step
        if step is None or step not in self.rungs(step + 1):
            return False
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        value = sign * trial.intermediate_values[step]
        if math.isnan(value):
            return True
        reached = [other for other in study.get_trials(deepcopy=False) if step in other.intermediate_values]
        values = sorted((sign * other.intermediate_values[step] for other in reached), reverse=True, key=_nan_last)
        kept = max(len(values) // self.reduction_factor, 1)
        return value < values[kept - 1]


def make_pruner(name: PrunerName, grace_epochs: int, reduction_factor: int) -> BasePruner:
    """Return the pruner that a configuration names."""
    if name == "halving":
        return AsyncHalvingPruner(grace_epochs, reduction_factor)
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=grace_epochs)
    assert name == "none"
    return NopPruner()


def _nan_last(value: float) -> float:
    return -math.inf if math.isnan(value) else value
