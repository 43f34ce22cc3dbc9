"""Who is stopped early: asynchronous successive halving, decided on stored values alone."""

import math
from typing import Literal

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.strategy.constraint import valid
from search.strategy.given import study_of
from search.strategy.pace import PaceOf, same_pace

PrunerName = Literal["halving", "promote", "median", "none"]


class AsyncHalvingPruner(BasePruner):
    """Asynchronous successive halving (ASHA: Li et al. 2020, arXiv:1810.05934) as a pure function of the study.

    A trial is judged at its first step at or past each rung, `grace_epochs * reduction_factor**k`, so steps may be
    1, 2, 3, ... or 100, 200, ...; a step that passes several rungs at once is judged at the highest of them. The trial
    goes on if its value is among the best 1/reduction_factor of the values that its peers reported at their own first
    step at or past that rung, its own included; the best one and its ties always go on. Its peers are the trials of
    its group (`pace` tells the group by the parameters) that did not fail, of whatever length.

    The same stored values give the same answer, asked once or twice, before or after a restart. Optuna's own
    SuccessiveHalvingPruner notes its decisions in the study and answers otherwise when it is asked again. As nothing is
    noted, `should_prune` is to be called after each `report`: a rung passed by a report that was not asked about is not
    judged later. The study has one objective, as for every pruner of Optuna's, and one fixed space: all trials are
    compared, whatever their parameters mean to each other.
    """

    def __init__(self, grace_epochs: int = 1, reduction_factor: int = 2, pace: PaceOf = same_pace) -> None:
        if grace_epochs < 1 or reduction_factor < 2:
            raise ValueError(
                f"grace_epochs = {grace_epochs}, reduction_factor = {reduction_factor}: must be >= 1 and >= 2"
            )
        self.grace_epochs = grace_epochs
        self.reduction_factor = reduction_factor
        self.pace = pace

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs after which a trial may be stopped, all before its last."""
        return rungs_before(epochs, self.grace_epochs, self.reduction_factor)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether `trial` is to stop after its last reported step. False where that step passes no rung."""
        rung = self._rung_passed(trial)
        if rung is None:
            return False
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        value = sign * value_at(trial, rung)
        if math.isnan(value):
            return True
        peers = peers_of(trial, study.get_trials(deepcopy=False), self.pace)
        values = [sign * value_at(other, rung) for other in peers if has_reached(other, rung)]
        values.sort(reverse=True, key=_nan_last)
        kept = max(len(values) // self.reduction_factor, 1)
        return value < values[kept - 1]

    def _rung_passed(self, trial: FrozenTrial) -> int | None:
        """Return the highest rung that the last step of `trial`, and none before it, is at or past."""
        *earlier, last = sorted(trial.intermediate_values) or [0]
        rungs = self.rungs(last + 1)
        return rungs[-1] if rungs and rungs[-1] > max(earlier, default=0) else None


class AmongPeers(BasePruner):
    """Let another pruner decide with only the trial's peers in sight: those of its group."""

    def __init__(self, pruner: BasePruner, pace: PaceOf) -> None:
        self.pruner = pruner
        self.pace = pace

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return what the other pruner answers."""
        peers = peers_of(trial, study.get_trials(deepcopy=False), self.pace)
        return self.pruner.prune(study_of(peers, study.direction), trial)


def rungs_before(epochs: int, grace_epochs: int, reduction_factor: int) -> list[int]:
    """Return the epochs grace_epochs * reduction_factor**k, k = 0, 1, ..., that lie before `epochs`."""
    found = []
    rung = grace_epochs
    while rung < epochs:
        found.append(rung)
        rung *= reduction_factor
    return found


def has_reached(trial: FrozenTrial, rung: int) -> bool:
    """Return whether a trial has a value at or past `rung`."""
    return rung in trial.intermediate_values or (trial.last_step or 0) > rung


def value_at(trial: FrozenTrial, rung: int) -> float:
    """Return the value of a trial that has reached `rung`: the one at its first step at or past it."""
    values = trial.intermediate_values
    return values[rung if rung in values else min(step for step in values if step > rung)]


def peers_of(trial: FrozenTrial, trials: list[FrozenTrial], pace: PaceOf) -> list[FrozenTrial]:
    """Return those of `trials` whose values can be compared with those of `trial`, which did not fail."""
    group = pace(trial.params).group
    return [other for other in valid(trials) if pace(other.params).group == group]


def make_pruner(name: PrunerName, grace_epochs: int, reduction_factor: int, pace: PaceOf = same_pace) -> BasePruner:
    """Return the pruner that a configuration names; none for "promote", which pauses trials and stops none."""
    if name == "halving":
        return AsyncHalvingPruner(grace_epochs, reduction_factor, pace)
    if name == "median":
        return AmongPeers(MedianPruner(n_startup_trials=5, n_warmup_steps=grace_epochs), pace)
    assert name in ("none", "promote")
    return NopPruner()


def _nan_last(value: float) -> float:
    return -math.inf if math.isnan(value) else value
