"""The importance of each hyperparameter, by PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255)."""

import warnings
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from analysis.summary import ENOUGH, finished, is_one_factor, searched_fields
from search.space import Space

TOP = 0.1  # share of the best trials that PED-ANOVA compares with the rest
AT_LEAST = 5  # trials in that share, below which its answer is noise


def importance(trials: pd.DataFrame, space: Space) -> tuple[pd.Series | None, str]:
    """Return how much each searched hyperparameter sets the best complete trials apart, and what that means.

    The shares are sorted from the largest and add up to 1. Where there are none, the first value is None and the
    second says why.
    """
    fields, complete = searched_fields(space), finished(trials)
    if len(fields) < 2:
        return None, f"{len(fields) or 'no'} hyperparameter was searched; importance compares two or more."
    if is_one_factor(trials, fields):
        return None, "One factor was varied at a time; the panels compare each with the first trial directly."
    complete = complete.dropna(subset=fields)
    if len(complete) < ENOUGH:
        return None, f"{len(complete)} complete trials are too few for importance, which needs {ENOUGH}."
    if complete.val_accuracy.nunique() == 1:
        return None, "All complete trials have the same accuracy, so nothing sets the best apart."
    top = min(0.5, max(TOP, AT_LEAST / len(complete)))
    try:
        shares = _ped_anova(complete, space, top)
    except (ValueError, RuntimeError) as error:
        return None, f"Importance could not be computed ({error})."
    return shares, f"what sets the best {top:.0%} of {len(complete)} complete trials apart from the rest (PED-ANOVA)"


def _ped_anova(complete: pd.DataFrame, space: Space, top: float) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=top)
        shares = get_param_importances(_rebuilt(complete, space), evaluator=evaluator)
    return pd.Series(shares, dtype="float64").sort_values(ascending=False, kind="stable")


def _rebuilt(complete: pd.DataFrame, space: Space) -> optuna.Study:
    """Return a study in memory with the trials of the table, so that a run in progress is read only once."""
    study = optuna.create_study(direction="maximize")
    for row in complete.to_dict("records"):
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
