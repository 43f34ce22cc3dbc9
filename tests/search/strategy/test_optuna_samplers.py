"""Optuna's own tests of samplers, with SeededSampler under each of its names."""

import math
from collections.abc import Callable
from typing import Any, get_args

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler
from optuna.testing import pytest_samplers

from search.strategy.sampler import SamplerName, SeededSampler

MIXED = CategoricalDistribution([-1, -10, -100])  # of Optuna's tests, as all below
SPACES: dict[str, dict[str, BaseDistribution]] = {
    "test_nan_objective_value": {"x": FloatDistribution(0.1, 0.2)},
    "test_partial_fixed_sampling": {
        "x": FloatDistribution(-1, 1),
        "y": IntDistribution(-1, 1),
        "z": FloatDistribution(-1, 1),
    },
    "test_sample_single_distribution": {
        "a": CategoricalDistribution([1]),
        "b": IntDistribution(1, 1),
        "c": IntDistribution(1, 1, log=True),
        "d": FloatDistribution(1, 1),
        "e": FloatDistribution(1, 1, log=True),
        "f": FloatDistribution(1, 1, step=1),
    },
    "test_conditional_parameter_objective": {
        "x": CategoricalDistribution([True, False]),
        "y": FloatDistribution(0, 1),
        "z": FloatDistribution(0, 1),
    },
    "test_dynamic_range_objective": {"x": FloatDistribution(0, 10), "y": IntDistribution(0, 10)},
    "test_sample_relative_categorical": {"x": CategoricalDistribution([1, 10, 100]), "y": MIXED},
    "test_trial_relative_params": {"x": FloatDistribution(-10, 10), "y": FloatDistribution(-10, 10)},
}
TRIALS = {"test_combination_of_different_distributions_objective": 3, "test_dynamic_range_objective": 20}


def space_of(test: str, given: dict[str, Any]) -> dict[str, BaseDistribution]:
    """Return the one space of a test of Optuna's: what its objective suggests, or what it asks for."""
    if "x_distribution" in given:
        return {"x": given["x_distribution"], "y": given.get("y_distribution", MIXED)}
    suggesting = [suggest for name, suggest in given.items() if name.startswith("suggest_method")]
    if not suggesting:
        return SPACES.get(test, {})  # none where the test asks for a parameter outside of the space
    trial = optuna.create_study(sampler=RandomSampler(seed=0)).ask()
    for suggest in suggesting:
        suggest(trial)
    return trial.distributions


class ForEachName:
    """The fixture that Optuna's tests ask for. In each of them a model, where there is one, draws the last trials."""

    @pytest.fixture(params=get_args(SamplerName))
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        test = request.node.originalname
        space = space_of(test, request.node.callspec.params)
        startup = max(TRIALS.get(test, 10) - 3, 1) if "objective" in test else 1
        return lambda: SeededSampler(request.param, 0, space, startup)


class TestBasic(ForEachName, pytest_samplers.BasicSamplerTestCase):
    """What every sampler does."""


class TestRelative(ForEachName, pytest_samplers.RelativeSamplerTestCase):
    """What a sampler does that draws all parameters of its space together."""


class TestSingleObjective(ForEachName, pytest_samplers.SingleOnlySamplerTestCase):
    """A study of several objectives is refused."""


@pytest.mark.xfail(raises=ValueError, strict=True, reason="what is learned, and drawn near, is the best by one value")
class TestSeveralObjectives(ForEachName, pytest_samplers.MultiObjectiveSamplerTestCase):
    """The one restriction: SeededSampler is for one objective."""


@pytest.mark.parametrize("name", get_args(SamplerName))
def test_choices_may_be_of_any_kind(name: SamplerName) -> None:
    """Optuna warns of them, as its other storages than the one in memory can't hold them all."""
    with pytest.warns(UserWarning, match="Choices for a categorical distribution"):
        space = {"x": CategoricalDistribution([[1, 2], [3]]), "y": CategoricalDistribution([None, {"a": 1}, math.nan])}  # type: ignore[list-item]
    study = optuna.create_study(sampler=SeededSampler(name, 0, space, startup=3))
    for _ in range(6):
        study.tell(study.ask(space), 1.0)
    assert len({repr(trial.params) for trial in study.trials}) == 6
    study.tell(study.ask(space), 1.0)  # all points have been drawn


@pytest.mark.parametrize("choices", [[1, True], ["a", 1, 1.0], [0.0, False]])
def test_choices_that_optuna_stores_as_one_are_refused(choices: list[Any]) -> None:
    study = optuna.create_study()
    for choice in choices:
        study.enqueue_trial({"x": choice})
        study.tell(study.ask({"x": CategoricalDistribution(choices)}), 1.0)
    assert len({repr(trial.params) for trial in study.trials}) < len(choices)
    with pytest.raises(ValueError, match="x: .* equal in Python, which Optuna stores as the first"):
        SeededSampler("random", 0, {"x": CategoricalDistribution(choices)})


def test_a_parameter_of_a_single_value_may_be_drawn_near_the_best() -> None:
    space = {"x": FloatDistribution(0, 1), "y": FloatDistribution(2, 2), "z": FloatDistribution(3, 3, log=True)}
    study = optuna.create_study(sampler=SeededSampler("tpe", 0, dict(space), startup=2, near=1.0))
    for _ in range(6):
        study.tell(study.ask(dict(space)), 1.0)
    assert all((trial.params["y"], trial.params["z"]) == (2, 3) for trial in study.trials)


def test_a_sampler_is_as_it_was_after_part_of_its_space_was_fixed() -> None:
    space: dict[str, BaseDistribution] = {"x": IntDistribution(0, 4), "y": IntDistribution(0, 4)}
    sampler = SeededSampler("random", 0, space)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study = optuna.create_study(sampler=PartialFixedSampler({"y": 3}, sampler))
    for _ in range(5):
        study.tell(study.ask(space), 1.0)
    assert sorted(trial.params["x"] for trial in study.trials) == [0, 1, 2, 3, 4]
    assert {trial.params["y"] for trial in study.trials} == {3}
    assert sampler.searched == space
