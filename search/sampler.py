"""What to try next: Optuna's samplers, seeded by (seed, trial number) alone, never repeating a point."""

import warnings
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from model.seeds import derive_seed
from search.space import grid

SamplerName = Literal["tpe", "random", "qmc", "gp"]
ATTEMPTS = 10  # draws to replace an exact repeat of an earlier point


class SeededSampler(BaseSampler):
    """Draw each trial with a fresh sampler of Optuna's, seeded by (seed, trial number, attempt).

    A resumed search therefore draws what an uninterrupted one would have drawn from the same stored trials. A draw that
    repeats an earlier point is made again; in the end an unused point of a small space takes its place.
    """

    def __init__(self, name: SamplerName, seed: int, searched: dict[str, BaseDistribution]) -> None:
        self.name = name
        self.seed = seed
        self.searched = searched

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space; nothing for a trial that has its parameters already (listed, or handed out again)."""
        if set(trial.params) == set(self.searched) or "fixed_params" in trial.system_attrs:
            return {}
        return self.searched

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return parameters that no earlier trial has, as long as the space holds any."""
        if not search_space:
            return {}
        earlier = [other.params for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        params: dict[str, Any] = dict(trial.params)
        for attempt in range(ATTEMPTS):
            # A trial that was stored with some of its parameters keeps them.
            params = {**self._draw(study, trial, attempt), **trial.params}
            if params not in earlier:
                return params
        unused = [point for point in grid(self.searched) if point not in earlier]
        return unused[derive_seed(self.seed, trial.number) % len(unused)] if unused else params

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value for a parameter outside the space, by Optuna's own sampler."""
        return self._sampler(trial.number, attempt=0).sample_independent(study, trial, param_name, param_distribution)

    def _draw(self, study: optuna.Study, trial: FrozenTrial, attempt: int) -> dict[str, Any]:
        """Return one draw, in the order of calls of `optuna.Trial`: the joint draw, then what it left out."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self._sampler(trial.number, attempt)
            sampler.before_trial(study, trial)
            joint = sampler.infer_relative_search_space(study, trial)
            params = sampler.sample_relative(study, trial, joint)
            for name, distribution in self.searched.items():
                if name not in params:
                    params[name] = sampler.sample_independent(study, trial, name, distribution)
        return {name: params[name] for name in self.searched}

    def _sampler(self, number: int, attempt: int) -> BaseSampler:
        seed = derive_seed(self.seed, number, attempt) % 2**32
        if self.name == "tpe":
            return TPESampler(seed=seed)
        if self.name == "gp":
            return GPSampler(seed=seed)
        if self.name == "qmc":
            # One sequence for the whole study: its position is kept in the study, its scrambling must not change.
            return QMCSampler(
                seed=self.seed % 2**32, independent_sampler=RandomSampler(seed=seed), warn_independent_sampling=False
            )
        assert self.name == "random"
        return RandomSampler(seed=seed)
