"""How far each stage of a run is, and how many seconds what is still to do may take."""

import statistics
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from model.hyperparameters import RECIPE
from search.experiment import Experiment
from search.space import complete
from search.store.records import state_of
from search.store.study import CONFIRM, OF_RECIPE, PICKED, REFIT, SEARCH, epochs_of

Stages = dict[str, list[FrozenTrial]]  # the trials of each of a run's studies, by its name
SETTLED = ("complete", "pruned", "failed", "paused")  # states in which no worker is at work on a trial
TWO_THREADS = 1.3  # how much faster a refit trains, which has all CPUs, than a trial beside others: 1.2 to 1.6 measured


@dataclass(frozen=True)
class StageStatus:
    """How far a stage is: `done` of its `total` trials."""

    name: str
    done: int
    total: int


def wanted_trials(experiment: Experiment, searched: list[FrozenTrial]) -> int:
    """Return how many trials the search is to have: fewer than asked for, once `search.stop` ends it."""
    stopping = experiment.stopping(experiment.images)
    return 0 if stopping and stopping.has_enough(searched) else experiment.search.trials


def stages_of(
    experiment: Experiment, stages: Stages, *, wanted: int, driven: bool, exported: bool
) -> list[StageStatus]:
    """Return how far each stage is; a race may make the confirmation longer.

    While a search goes on after a confirmation, one more candidate is expected; while either is at work after a refit,
    another refit.
    """
    plan, found = experiment.confirm, [_stage(SEARCH, wanted, stages[SEARCH])]
    searching = driven and _at_work(stages[SEARCH])
    if plan.top:
        runs = (min(plan.top, experiment.search.trials) + (plan.recipe is not None)) * plan.seeds
        if confirmed := stages[CONFIRM]:
            runs = len(confirmed) + searching * max(trial.user_attrs["run"] for trial in confirmed)
        found.append(_stage("confirmation", runs, stages[CONFIRM]))
    if stages[PICKED]:
        found.append(_stage(PICKED, 0, stages[PICKED]))
    if experiment.export.refit:
        another = searching or (driven and _at_work(stages[CONFIRM]))
        refit = _stage(REFIT, len(stages[REFIT]) + 1 if another else 1, stages[REFIT])
        found.append(StageStatus(REFIT, 1, 1) if exported and not another else refit)
    return found


def seconds_left(experiment: Experiment, stages: Stages, plans: list[StageStatus]) -> float | None:
    """Return the seconds until the run's end, by the epochs so far: what is to do, at the pace of what was done.

    Trials that the search lacks are to do only while it is at work: a confirmation may come before, by hand.
    """
    searched = stages[SEARCH]
    epochs = [metrics for trial in searched for metrics in epochs_of(trial)]
    if not epochs or not plans[0].done or not any(map(_at_work, stages.values())):
        return None
    seconds = statistics.mean(metrics["seconds"] for metrics in epochs)
    slots = experiment.automatic.get("slots", experiment.automatic.get("concurrent_trials", 1))
    search = plans[0]
    trials = search.total - search.done if _at_work(searched) else 0
    left = trials * len(epochs) / search.done * seconds / max(min(slots, trials), 1)
    whole = max(planned_epochs(experiment, trial) for trial in searched if trial.intermediate_values)
    for plan in plans[1:]:
        if plan.name == REFIT:
            speed = statistics.median(metrics["images_per_second"] for metrics in epochs)
            begun = [len(trial.intermediate_values) for trial in stages[REFIT] if not trial.state.is_finished()]
            reached = max(begun, default=0)
            images = experiment.automatic.get("refit_images", experiment.automatic.get("train_images", 0))
            left += (plan.total - plan.done) * (whole - reached) * images / speed / TWO_THREADS
        else:
            trials = plan.total - plan.done
            left += trials * whole * seconds / max(min(slots, trials), 1)
    return float(left)


def is_at_work(trial: FrozenTrial) -> bool:
    """Return whether a worker has a trial of a run that is driven."""
    return state_of(trial, driven=True) == "running"


def _at_work(trials: list[FrozenTrial]) -> bool:
    return any(map(is_at_work, trials))


def planned_epochs(experiment: Experiment, trial: FrozenTrial) -> int:
    recipe = trial.user_attrs.get(OF_RECIPE)
    if recipe is not None:
        return int(recipe.get("epochs", RECIPE.epochs))
    return complete(experiment.space, trial.params).epochs


def _stage(name: str, planned: int, trials: list[FrozenTrial]) -> StageStatus:
    done = sum(state_of(trial, driven=True) in SETTLED for trial in trials)
    return StageStatus(name, done, max(planned, len(trials)))
