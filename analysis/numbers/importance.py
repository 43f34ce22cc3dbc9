"""The importance of each hyperparameter, by PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255)."""

import warnings
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from analysis.numbers.summary import ENOUGH, is_one_factor, searched_fields
from analysis.numbers.wording import count
from search.space import Space
from search.strategy.given import quiet_optuna

TOP = 0.1  # share of the best trials that PED-ANOVA compares with the rest
MOST = 2_000  # trials, which are enough for shares of two digits: Optuna copies each one that it is given
AT_LEAST = 5  # trials in that share, below which its answer is noise


def importance(trials: pd.DataFrame, epochs: pd.DataFrame, space: Space) -> tuple[pd.Series | None, str]:
    """Return how much each searched hyperparameter sets the best trials apart at a common epoch, and what that means.

    All trials that finished the epoch count, whatever became of them: those that ran to their end are few where trials
    are stopped early, and chosen for their accuracy. The shares are sorted from the largest and add up to 1. Where
    there are none, the first value is None and the second says why.
    """
    fields = searched_fields(space)
    if len(fields) < 2:
        return None, f"{len(fields) or 'no'} hyperparameter was searched; importance compares two or more."
    if is_one_factor(trials, fields):
        return None, "One factor was varied at a time; the panels compare each with the first trial directly."
    epoch = common_epoch(epochs)
    if epoch is None:
        begun = epochs.number.nunique()
        return None, f"{count(begun, 'trial')} with a finished epoch are too few for importance, which needs {ENOUGH}."
    at_epoch = _at_epoch(trials, epochs, epoch).dropna(subset=fields)
    if at_epoch.val_accuracy.nunique() == 1:
        return None, f"All trials have the same accuracy after epoch {epoch}, so nothing sets the best apart."
    reached = f"the {len(at_epoch)} trials that reached epoch {epoch}"
    if len(at_epoch) > MOST:
        at_epoch = at_epoch.sort_values("val_accuracy").iloc[:: -(-len(at_epoch) // MOST)]
        reached = f"{len(at_epoch)} of {reached}, evenly taken by accuracy,"
    top = min(0.5, max(TOP, AT_LEAST / len(at_epoch)))
    try:
        shares = _ped_anova(at_epoch, space, top)
    except (ValueError, RuntimeError) as error:
        return None, f"Importance could not be computed ({error})."
    return shares, f"what sets the best {top:.0%} of {reached} apart from the rest at that epoch (PED-ANOVA)"


def common_epoch(epochs: pd.DataFrame) -> int | None:
    """Return the largest epoch that at least ENOUGH trials, and half of those with any epoch, reached; None if none."""
    measured = epochs[np.isfinite(epochs.val_accuracy)]
    reached = measured.groupby("epoch").number.nunique()
    enough = reached[reached >= max(ENOUGH, measured.number.nunique() / 2)]
    return int(enough.index.max()) if len(enough) else None


def _at_epoch(trials: pd.DataFrame, epochs: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the trials that reached `epoch`, with their val_accuracy after it."""
    then = epochs[(epochs.epoch == epoch) & np.isfinite(epochs.val_accuracy)][["number", "val_accuracy"]]
    return trials.drop(columns="val_accuracy").merge(then, on="number")


def _ped_anova(trials: pd.DataFrame, space: Space, top: float) -> pd.Series:
    with quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=top)
        shares = get_param_importances(_rebuilt(trials, space), evaluator=evaluator)
    return pd.Series(shares, dtype="float64").sort_values(ascending=False, kind="stable")


def _rebuilt(trials: pd.DataFrame, space: Space) -> optuna.Study:
    """Return a study in memory with the trials of the table, so that a run in progress is read only once."""
    study = optuna.create_study(direction="maximize")
    for row in trials.to_dict("records"):
        params = {name: _plain(row[name], distribution) for name, distribution in space.searched.items()}
        distributions = dict(space.searched)
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=row["val_accuracy"])
        )
    return study


def _plain(value: Any, distribution: Any) -> Any:
    """Return a value of the table as Optuna expects it: one of the choices, a float or an int."""
    if isinstance(distribution, CategoricalDistribution):
        return next(choice for choice in distribution.choices if choice == value)
    return float(value) if isinstance(distribution, FloatDistribution) else int(value)
