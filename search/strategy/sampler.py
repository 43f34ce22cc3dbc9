"""What to try next: a Sobol sequence, then Optuna's samplers, seeded by (seed, trial number); no point comes twice."""

import warnings
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from model.seeds import derive_seed
from search.space import Space, fits, fitted, grid
from search.strategy.constraint import valid
from search.strategy.given import study_of
from search.strategy.outlook import learned
from search.strategy.pace import PaceOf, same_pace
from search.strategy.places import Key, Searched, check_choices, is_among, key_of, near, point_at

SamplerName = Literal["tpe", "random", "qmc", "gp"]
ATTEMPTS = 10  # draws to replace an exact repeat of an earlier point
MODELS = ("tpe", "gp")
FEWEST = 2  # trials that a model can learn from
NEAR = 0.25  # share of the trials that lie near a known point (benchmarks/samplers.py)


def startup_of(trials: int) -> int:
    """Return how many of so many trials come before a model draws: a quarter, but neither very few nor many."""
    return min(max(trials // 4, 4), 20)


class _KnowingTPE(TPESampler):
    """TPE that knows its space. By itself it finds what all trials have in common, which takes as long as to draw."""

    def __init__(self, searched: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=FEWEST)
        self._known = {name: searched[name] for name in sorted(searched) if not searched[name].single()}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._known


class SeededSampler(BaseSampler):
    """Draw each trial with a fresh sampler of Optuna's, seeded by (seed, trial number, attempt).

    The first `startup` trials, and all with "qmc", are points of a scrambled Sobol sequence (Owen 1998), which fill the
    space evenly. After them "tpe" and "gp" learn from all trials, those too that were stopped early: from the outlook
    of each (strategy/outlook.py; `pace` tells which trials gain alike, strategy/pace.py). A share of their
    trials, `near`, lies near a known point instead: one of the first near `guesses`, good values that are known before,
    one after them near the best trial so far. Such a mixture gains by good guesses and survives bad ones (PriorBand:
    Mallik et al. 2023, arXiv:2306.12370).

    Where `space` limits the number of parameters, a network that has more gives way to the nearest one that fits
    (`search.space.fitted`). Optuna's own `constraints_func` learns a constraint from the trials that broke it; this one
    is known before a trial is trained, so none is spent on it. Nor is drawing again a way: a Gaussian process, which
    never sees a trial beyond the limit, draws beyond it time after time.

    A resumed search therefore draws what an uninterrupted one would have drawn from the same stored trials, in whatever
    order `searched` names its parameters. Where a draw repeats an earlier point, the unused point of a small space that
    is most like it takes its place; in a large one it is made again.

    A study has one objective, and all its trials share the one space `searched`; a parameter outside of it is drawn by
    Optuna's own sampler, independently.

    Raises:
        ValueError: Optuna stores two choices of a parameter as the same one, as it does with 1, 1.0 and True.
    """

    def __init__(
        self,
        name: SamplerName,
        seed: int,
        searched: dict[str, BaseDistribution],
        startup: int = 10,
        pace: PaceOf = same_pace,
        guesses: dict[str, Any] | None = None,
        near: float = NEAR,
        space: Space | None = None,
    ) -> None:
        self.name = name
        self.seed = seed
        self.searched = {name: searched[name] for name in sorted(searched)}
        self.startup = startup
        self.pace = pace
        self.guesses = guesses or {}
        self.near = near
        self.space = space or Space({}, self.searched)
        self._points_by_names: dict[tuple[str, ...], dict[Key, dict[str, Any]]] = {}
        check_choices(self.searched)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space; nothing for a trial that has its parameters already (listed, or handed out again)."""
        if set(trial.params) == set(self.searched) or "fixed_params" in trial.system_attrs:
            return {}
        return dict(self.searched)  # from which Optuna's PartialFixedSampler deletes what it fixes

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return parameters that no earlier trial has, as long as the space holds any."""
        _check_objectives(study)
        if not search_space:
            return {}
        searched = {name: distribution for name, distribution in self.searched.items() if name in search_space}
        earlier = [other.params for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        trials = learned(study, searched, self.pace) if self.name in MODELS else []
        if len(_ended(trials)) < FEWEST:
            trials = valid(trials)  # failed ones would have the value of the only other, so that a model learns nothing
        params: dict[str, Any] = dict(trial.params)
        for attempt in range(ATTEMPTS):
            # A trial that was stored with some of its parameters keeps them.
            drawn = self._draw(searched, trial.number, attempt, trials, study)
            params = fitted(self.space, {**drawn, **trial.params})
            if not is_among(searched, earlier, params):
                break
            if unused := self._unused(searched, earlier):
                params = self._most_alike(key_of(searched, params), unused, trial.number)
                break
        return {name: params[name] for name in searched}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value for a parameter outside the space, by Optuna's own sampler."""
        _check_objectives(study)
        sampler = self._sampler(derive_seed(self.seed, trial.number, 0) % 2**32, self.searched)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _unused(self, searched: Searched, earlier: list[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
        """Return the points of a small space that are not among `earlier` ones; none for a large one."""
        names = tuple(searched)
        if names not in self._points_by_names:
            points = [point for point in grid(searched) if fits(self.space, point)]
            self._points_by_names[names] = {key_of(searched, point): point for point in points}
        points_by_key = self._points_by_names[names]
        used = {key_of(searched, params) for params in earlier} if points_by_key else set()
        return {key: point for key, point in points_by_key.items() if key not in used}

    def _most_alike(self, drawn: Key, points: dict[Key, dict[str, Any]], number: int) -> dict[str, Any]:
        """Return the point that differs from the drawn one in the fewest fields; of several, by the trial's seed."""
        distances = {key: sum(ours != theirs for ours, theirs in zip(key, drawn, strict=True)) for key in points}
        fewest = min(distances.values())
        nearest = [points[key] for key, distance in distances.items() if distance == fewest]
        return nearest[derive_seed(self.seed, number) % len(nearest)]

    def _draw(
        self, searched: Searched, number: int, attempt: int, trials: list[FrozenTrial], study: optuna.Study
    ) -> dict[str, Any]:
        """Return one draw for trial `number`, after `trials`."""
        seed = derive_seed(self.seed, number, attempt) % 2**32
        modelled = self.name in MODELS and number >= self.startup and len(trials) >= FEWEST
        if centre := self._centre(number, trials, study.direction):
            return near(centre, searched, np.random.default_rng(seed))
        if self.name != "random" and not modelled and attempt == 0:
            return point_at(searched, self._sobol(number, len(searched)))
        sampler = self._sampler(seed, searched) if modelled else RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return study_of(trials, study.direction, sampler).ask(fixed_distributions=searched).params

    def _centre(self, number: int, trials: list[FrozenTrial], direction: StudyDirection) -> dict[str, Any]:
        """Return the values near which trial `number` lies; none where it lies near no point."""
        if self.name not in MODELS or derive_seed(self.seed, number, ATTEMPTS) >= self.near * 2**63:
            return {}
        if number < self.startup:
            return self.guesses
        ended = _ended(trials)
        sign = 1.0 if direction == StudyDirection.MAXIMIZE else -1.0
        return max(ended, key=lambda trial: sign * (trial.value or 0.0)).params if ended else {}

    def _sobol(self, number: int, dimensions: int) -> list[float]:
        """Return the place `number` of the one sequence that the whole study has."""
        from scipy.stats import qmc  # not at the top: it takes a second, which a mistake in a file need not wait for

        sequence = qmc.Sobol(dimensions, rng=self.seed)
        if number:
            sequence.fast_forward(number)
        return [float(share) for share in sequence.random()[0]]

    def _sampler(self, seed: int, searched: Searched) -> BaseSampler:
        """Return a new sampler of Optuna's; it has no start-up of its own."""
        if self.name == "tpe":
            return _KnowingTPE(searched, seed)
        if self.name == "gp":
            return GPSampler(seed=seed, n_startup_trials=FEWEST)
        return RandomSampler(seed=seed)


def _ended(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return those of `trials` that have a value of their own."""
    return [trial for trial in valid(trials) if trial.state == TrialState.COMPLETE]


def _check_objectives(study: optuna.Study) -> None:
    """Raise ValueError for a study of several objectives."""
    if (number := len(study.directions)) > 1:
        raise ValueError(f"this study has {number} objectives, SeededSampler draws for one; use a sampler of Optuna's")
