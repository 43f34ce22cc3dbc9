"""Whether a trial is stopped early: a pure function of the study, so that a resumed search decides as before."""

import optuna

from search import halving
from search.experiment import Search


def rungs(search: Search, epochs: int) -> list[int]:
    """The epochs after which halving decides; none for other pruners."""
    if search.pruner != "halving":
        return []
    return halving.rungs(epochs, search.grace_epochs, search.reduction_factor)


def prunes(search: Search, of_stage: optuna.Study, trial_id: int, epoch: int, epochs: int) -> bool:
    """Whether the pruner stops this trial, planned for `epochs`, after `epoch`.

    What is trained again after an interruption was decided on before: such a trial has later values already.
    """
    trial = of_stage._storage.get_trial(trial_id)
    if epoch < max(trial.intermediate_values):
        return False
    if search.pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=search.grace_epochs)
        return pruner.prune(of_stage, trial)
    if epoch not in rungs(search, epochs):
        return False
    others = of_stage.get_trials(deepcopy=False)
    at_rung = [other.intermediate_values[epoch] for other in others if epoch in other.intermediate_values]
    return not halving.survives(trial.intermediate_values[epoch], at_rung, search.reduction_factor)
