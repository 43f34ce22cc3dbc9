"""What to try next: listed points first, then the sampler, seeded by (seed, trial number) alone."""

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from model.train import derive_seed
from search.space import grid

ATTEMPTS = 10  # tries to replace an exact repeat of an earlier point


def make_sampler(name: str, seed: int, number: int, attempt: int) -> BaseSampler:
    """A fresh sampler for one draw, so that a resumed search draws what an uninterrupted one would have."""
    drawn = derive_seed(seed, number, attempt) % 2**32
    if name == "tpe":
        return TPESampler(seed=drawn)
    if name == "gp":
        return GPSampler(seed=drawn)
    if name == "qmc":
        # One sequence for the whole study: its position is kept in the study, its scrambling must not change.
        return QMCSampler(
            seed=seed % 2**32, independent_sampler=RandomSampler(seed=drawn), warn_independent_sampling=False
        )
    return RandomSampler(seed=drawn)


def enqueue(study: optuna.Study, points: list[dict[str, Any]]) -> None:
    """Put the listed points in line, as the first trials; those that are still missing if a kill came between."""
    for point in points[len(study.get_trials(deepcopy=False)) :]:
        study.enqueue_trial(point)


def ask(study: optuna.Study, searched: dict[str, BaseDistribution], sampler: str, seed: int) -> FrozenTrial:
    """The next trial, RUNNING: a waiting one (interrupted, or listed) with its number and values, else a new one."""
    trial_id = study.ask()._trial_id
    trial = study._storage.get_trial(trial_id)
    if set(trial.params) != set(searched):
        params = trial.system_attrs.get("fixed_params") or _draw(study, trial, searched, sampler, seed)
        for name, distribution in searched.items():
            if name not in trial.params:
                internal = distribution.to_internal_repr(params[name])
                study._storage.set_trial_param(trial_id, name, internal, distribution)
    return study._storage.get_trial(trial_id)


def _draw(
    study: optuna.Study, trial: FrozenTrial, searched: dict[str, BaseDistribution], sampler: str, seed: int
) -> dict[str, Any]:
    earlier = [other.params for other in study.get_trials(deepcopy=False) if other.number != trial.number]
    params: dict[str, Any] = dict(trial.params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for attempt in range(ATTEMPTS):
            drawn = _sample(study, trial, searched, make_sampler(sampler, seed, trial.number, attempt))
            params = {**drawn, **trial.params}
            if params not in earlier:
                return params
    unused = [point for point in grid(searched) if point not in earlier]
    return unused[derive_seed(seed, trial.number) % len(unused)] if unused else params


def _sample(
    study: optuna.Study, trial: FrozenTrial, searched: dict[str, BaseDistribution], sampler: BaseSampler
) -> dict[str, Any]:
    """Optuna's own order of calls within `Trial`: the joint draw first, then what it left out."""
    sampler.before_trial(study, trial)
    joint = sampler.infer_relative_search_space(study, trial)
    params = sampler.sample_relative(study, trial, joint)
    for name, distribution in searched.items():
        if name not in params:
            params[name] = sampler.sample_independent(study, trial, name, distribution)
    return {name: params[name] for name in searched}
