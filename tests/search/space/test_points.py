"""The points of a space: how many, which are largest, and what lies nearest."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from model.errors import ConfigError
from model.hyperparameters import RECIPE
from search.space import complete, grid, largest, nearest, parse_space, recipe_differences, recipe_point, size


def test_true_and_false_are_choices_of_their_own() -> None:
    space = parse_space({"batch_norm": [True, False], "kernel_size": [3, 5], "dropout1": [0.0, 1 / 4]})
    assert space.searched["batch_norm"] == CategoricalDistribution([True, False])
    assert size(space) == 8
    assert {point["batch_norm"] for point in grid(space.searched)} == {True, False}
    assert recipe_point(space)["batch_norm"] is False
    assert recipe_point(space, {"batch_norm": True})["batch_norm"] is True
    assert complete(space, {"batch_norm": True, "kernel_size": 3, "dropout1": 0.0}).batch_norm is True
    assert largest(space).batch_norm is True
    assert parse_space({"batch_norm": True}).fixed["batch_norm"] is True
    assert recipe_differences(parse_space({"batch_norm": True})) == {"batch_norm": (False, True)}
    for point in (
        {"batch_norm": 1},
        {"batch_norm": 0},
        {"batch_norm": 0.5},
        {"dropout1": False},
        {"kernel_size": True},
    ):
        with pytest.raises(ConfigError, match="outside the space"):
            recipe_point(space, point)


def test_nearest_respects_steps() -> None:
    assert nearest(FloatDistribution(0.0, 0.5, step=0.1), 0.32) == 0.3
    assert nearest(IntDistribution(16, 64, step=16), 1000) == 64
    assert nearest(FloatDistribution(0.1, 3.0), "text") == 0.1


def test_size_and_largest() -> None:
    assert size(parse_space({})) == 1
    assert size(parse_space({"kernel_size": [3, 5, 7], "epochs": {"low": 1, "high": 4}})) == 12
    assert size(parse_space({"dropout1": {"low": 0.0, "high": 0.5}})) == float("inf")
    space = parse_space({"kernel_size": [3, 5], "pool": ["early", "late"], "conv1_width": {"low": 8, "high": 48}})
    biggest = largest(space)
    assert (biggest.kernel_size, biggest.pool, biggest.conv1_width) == (3, "late", 48)
    assert largest(parse_space({})) == RECIPE
