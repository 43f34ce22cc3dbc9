"""The points of a space: how many, which are largest, what lies nearest, and when a space holds another."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from model.errors import ConfigError
from model.hyperparameters import RECIPE
from search.space import complete, grid, largest, nearest, parse_space, recipe_differences, recipe_point, size, widened


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ({"low": 0.1, "high": 0.3}, {"low": 0.0, "high": 0.3}, True),
        ({"low": 0.1, "high": 0.3}, {"low": 0.2, "high": 0.5}, False),  # 0.1 would be gone
        ({"low": 0.1, "high": 0.3}, {"low": 0.1, "high": 0.3, "log": True}, False),
        ({"low": 0.2, "high": 0.4, "step": 0.1}, {"low": 0.0, "high": 0.4, "step": 0.1}, True),
        ({"low": 0.2, "high": 0.4, "step": 0.1}, {"low": 0.05, "high": 0.45, "step": 0.1}, False),  # 0.2 is no step
        ({"low": 0.1, "high": 0.3}, {"low": 0.1, "high": 0.3}, False),
        ({"low": 0.1, "high": 0.3}, [0.1, 0.2, 0.3], False),
        ({"low": 0.1, "high": 0.3, "prior": 0.2}, {"low": 0.0, "high": 0.3, "prior": 0.2}, True),
        ({"low": 0.1, "high": 0.3, "prior": 0.2}, {"low": 0.0, "high": 0.3, "prior": 0.25}, False),
        ([0.1, 0.2], [0.1, 0.2, 0.3], False),
    ],
)
def test_a_range_that_holds_the_old_one_is_wider(old: object, new: object, wider: bool) -> None:
    before, after = (parse_space({"dropout1": value}) for value in (old, new))
    assert widened(before, after) == ["dropout1"] * wider


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
