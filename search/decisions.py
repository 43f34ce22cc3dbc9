"""The decisions of a search, as functions of its stored study: which trial is next, and what becomes of one."""

from typing import Any, Final, Literal

from optuna.trial import FrozenTrial, TrialState

from search.store import checkpoints
from search.store.candidates import Candidate, attributes_of, candidates_of, next_round, recipe_attributes
from search.store.records import record_of
from search.store.stage import Stage
from search.store.study import OF_RECIPE
from search.strategy.constraint import is_broken
from search.strategy.promotion import PAUSED

GOES_ON: Final = "goes on"
Decision = TrialState | Literal["goes on", "paused"]  # what becomes of a trial after an epoch: it ends so, or else


def anything_to_hand_out(stage: Stage) -> bool:
    """Return whether a trial waits in line, may be promoted, is still to be suggested, or races on."""
    if _more(stage) or stage.study.trials(TrialState.WAITING):
        return True
    return _promoted(stage) is not None or bool(_racing(stage))


def next_number(stage: Stage) -> int | None:
    """Return the number of the trial to train next: one that waits in line, one to promote, or a new one; else None."""
    study = stage.study
    if not study.trials(TrialState.WAITING):
        if (promoted := _promoted(stage)) is not None:
            study.promote(promoted)
            return promoted
        race_on(stage)
    waiting = study.trials(TrialState.WAITING)
    if not (waiting or _more(stage)):
        return None
    # The first in line is asked for; one that is the recipe has no parameters, which would be drawn at random.
    searched = {} if waiting and OF_RECIPE in waiting[0].user_attrs else stage.space.searched
    return study.study.ask(fixed_distributions=searched).number


def race_on(stage: Stage) -> None:
    """Put the next round of the confirmation's race in line, if there is one, in one transaction."""
    with stage.study.event():
        for candidate in _racing(stage):
            attributes = attributes_of(candidate.number, candidate.planned + 1)
            stage.study.enqueue(candidate.runs[0].params, **attributes)


def unqueued(
    queued: list[FrozenTrial], best: list[FrozenTrial], seeds: int, recipe: dict[str, Any] | None
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return parameters and attributes of the runs that a confirmation should begin with and that are not `queued`.

    Each of the trials `best` begins with so many `seeds`, and so does the recipe, where `recipe` says how it differs. A
    candidate that comes later, from an extended search, has at once as many seeds as the others have reached.
    """
    known = {(trial.user_attrs.get("candidate"), trial.user_attrs["run"]) for trial in queued}
    reached = max([seeds, *(run for _, run in known)])
    missing = []
    for trial in best:
        last = seeds if (trial.number, 1) in known else reached
        for run in range(1, last + 1):
            if (trial.number, run) not in known:
                missing.append((trial.params, attributes_of(trial.number, run)))
    if recipe is not None and (best or known):
        missing += [({}, recipe_attributes(recipe, run)) for run in range(1, seeds + 1) if (None, run) not in known]
    return missing


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
    epochs = stage.hyperparameters(trial).epochs
    if epoch >= epochs:
        return TrialState.COMPLETE
    if epoch != trial.last_step or trial.user_attrs.get("passed") == epoch:
        return GOES_ON
    if epoch in stage.pauses(epochs):
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


def _racing(stage: Stage) -> list[Candidate]:
    """Return the candidates of a confirmation that get one more seed each."""
    if not stage.most_seeds:
        return []
    return next_round(candidates_of([record_of(trial, live=True) for trial in stage.study.trials()]), stage.most_seeds)
