"""An accuracy that is no better than always answering one class is known as such, by stored values alone."""

from typing import Any

import pytest

from search.experiment import Experiment, parse_experiment
from search.space import left_at_default, unusual
from search.store.chance import chance, is_chance, likely_cause

SEARCHED = {"dropout1": {"low": 0.0, "high": 0.5}}


def experiment(automatic: dict[str, Any] | None = None, **hyperparameters: Any) -> Experiment:
    parsed = parse_experiment({"search": {"trials": 3}, "hyperparameters": {**SEARCHED, **hyperparameters}})
    return parsed.model_copy(update={"automatic": automatic or {}})


MNIST = {"validation_images": 10_000, "most_frequent_class": 0.1124}


@pytest.mark.parametrize(
    ("accuracy", "trials", "expected"),
    # The standard error is 0.00316; z is 1.645 for one trial, 2.878 for 25.
    [(0.098, 1, True), (0.1124, 1, True), (0.1175, 1, True), (0.1177, 1, False), (0.1177, 25, True), (0.9, 25, False)],
)
def test_chance_has_the_noise_of_the_best_of_all_trials(accuracy: float, trials: int, expected: bool) -> None:
    assert is_chance(experiment(MNIST), accuracy, trials) is expected


def test_runs_of_earlier_versions_have_classes_of_equal_size() -> None:
    assert chance(experiment()) == 0.1
    assert is_chance(experiment({"validation_images": 10_000}), 0.098, 1)


def test_the_likely_cause_is_a_learning_rate_of_another_optimizer() -> None:
    assert likely_cause(experiment(optimizer="adamw")) == (
        'learning_rate = 1 does not suit the optimizer; with optimizer = "adamw" it is usually 0.0001 to 0.01'
    )
    rates = {"low": 0.5, "high": 3.0}
    assert "learning_rate = 0.5 to 3 " in likely_cause(experiment(optimizer="sgd", learning_rate=rates))
    assert "learning_rate = 0.5 to 3 " in likely_cause(experiment(optimizer="sgd", learning_rate=[3.0, 0.5]))
    assert likely_cause(experiment()).startswith("not in learning_rate")


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({"optimizer": "adamw"}, True),
        ({"optimizer": "sgd"}, True),
        ({"optimizer": "adadelta"}, False),
        ({"optimizer": "adamw", "learning_rate": 0.001}, False),
        ({"optimizer": "adamw", "learning_rate": {"low": 0.001, "high": 0.01}}, False),
    ],
)
def test_another_optimizer_with_the_default_learning_rate_is_warned_of(values: dict[str, Any], warned: bool) -> None:
    space = experiment(**values).space
    assert (left_at_default(space.fixed, "hyperparameters.") is not None) is warned
    assert (unusual(space) is not None) is warned
