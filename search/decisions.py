"""The decisions of a search, as functions of its stored study: which trial is next, and what becomes of one."""

from typing import Final, Literal

from optuna.trial import FrozenTrial, TrialState

from search.space import complete
from search.store import checkpoints
from search.store.stage import Stage
from search.strategy.constraint import is_broken
from search.strategy.promotion import PAUSED

GOES_ON: Final = "goes on"
Decision = TrialState | Literal["goes on", "paused"]  # what becomes of a trial after an epoch: it ends so, or else


def anything_to_hand_out(stage: Stage) -> bool:
    """Return whether a trial waits in line, may be promoted, or is still to be suggested."""
    return _more(stage) or bool(stage.study.trials(TrialState.WAITING)) or _promoted(stage) is not None


def next_number(stage: Stage) -> int | None:
    """Return the number of the trial to train next: one that waits in line, one to promote, or a new one; else None."""
    study = stage.study
    if not study.trials(TrialState.WAITING):
        if (promoted := _promoted(stage)) is not None:
            study.promote(promoted)
            return promoted
        if not _more(stage):
            return None
    return study.study.ask(fixed_distributions=stage.space.searched).number


def missing_decision(stage: Stage, trial: FrozenTrial) -> Decision:
    """Return the decision on a trial that was interrupted between its last value and the decision after it."""
    last = trial.last_step
    if last is None or checkpoints.epoch_of(trial.user_attrs) != last:
        return GOES_ON  # what lies between the checkpoint and the last value is trained again
    return decision_after(stage, trial, last)


def decision_after(stage: Stage, trial: FrozenTrial, epoch: int) -> Decision:
    """Return what becomes of a trial after `epoch`. One that exceeds a limit ends, though it be the last epoch.

    What is trained again after an interruption was decided on before: such a trial has later values already, or has
    passed this epoch.
    """
    if is_broken(trial.user_attrs):
        return TrialState.PRUNED
    epochs = complete(stage.space, trial.params).epochs
    if epoch >= epochs:
        return TrialState.COMPLETE
    if epoch != trial.last_step or trial.user_attrs.get("passed") == epoch:
        return GOES_ON
    if stage.promotion and epoch in stage.promotion.rungs(epochs):
        return PAUSED
    study = stage.study.study
    return TrialState.PRUNED if study.pruner.prune(study, trial) else GOES_ON


def carry_out(stage: Stage, decision: Decision, trial: FrozenTrial) -> None:
    """Store that a trial ends or pauses after its last epoch."""
    if isinstance(decision, TrialState):
        stage.study.finish(trial.number, decision)
    else:
        stage.study.pause(trial.number, trial.last_step or 0)


def _more(stage: Stage) -> bool:
    """Return whether new trials are still to be suggested."""
    return len(stage.study.trials()) < stage.planned


def _promoted(stage: Stage) -> int | None:
    """Return the number of the trial to promote now; None if there is none."""
    return stage.promotion.next_of(stage.study.trials(), _more(stage)) if stage.promotion else None
