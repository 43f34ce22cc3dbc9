"""Points that are known before a search: the recipe as far as the space holds it, priors, and listed points."""

import pytest
from optuna.distributions import FloatDistribution

from model.errors import ConfigError
from search.space import guesses, parse_space, recipe_differences, recipe_point


def test_the_recipe_is_held_as_far_as_the_space_goes() -> None:
    space = parse_space(
        {
            "epochs": 3,
            "learning_rate": {"low": 0.01, "high": 0.5},
            "conv1_width": {"low": 8, "high": 56, "step": 16},
            "kernel_size": [5, 7],
            "schedule": ["one-cycle", "constant"],
        }
    )
    assert recipe_point(space) == {
        "learning_rate": 0.5, "conv1_width": 40, "kernel_size": 5, "schedule": "one-cycle",
    }  # fmt: skip
    assert recipe_differences(space) == {
        "epochs": (14, 3), "learning_rate": (1.0, 0.5), "conv1_width": (32, 40), "kernel_size": (3, 5),
        "schedule": ("step", "one-cycle"),
    }  # fmt: skip
    assert recipe_differences(parse_space({})) == {}


def test_a_prior_takes_the_place_of_the_recipe() -> None:
    rate = {"low": 0.1, "high": 3.0, "log": True, "prior": 2}
    space = parse_space({"learning_rate": rate, "conv1_width": {"low": 8, "high": 16}, "dropout1": [0.0, 0.25]})
    assert space.searched["learning_rate"] == FloatDistribution(0.1, 3.0, log=True)
    assert recipe_point(space) == {"learning_rate": 2.0, "conv1_width": 16, "dropout1": 0.25}
    assert recipe_point(space, {"learning_rate": 0.5})["learning_rate"] == 0.5
    assert recipe_differences(space) == {"learning_rate": (1.0, 2.0), "conv1_width": (32, 16)}
    assert guesses(space) == {"learning_rate": 2.0, "dropout1": 0.25}  # the recipe's width is not in the space


@pytest.mark.parametrize(
    ("rate", "first"),
    [
        ({"low": 0.001, "high": 10.0, "log": True}, 0.1),
        ({"low": 0.01, "high": 0.05}, 0.03),
        ([0.001, 0.003, 0.01], 0.003),
    ],
)
def test_the_recipes_learning_rate_is_no_guess_for_another_optimizer(rate: object, first: float) -> None:
    space = parse_space({"optimizer": "adamw", "learning_rate": rate, "dropout2": {"low": 0.0, "high": 0.7}})
    assert recipe_point(space) == pytest.approx({"learning_rate": first, "dropout2": 0.5})
    assert guesses(space) == {"dropout2": 0.5}
    known = parse_space({"optimizer": "adamw", "learning_rate": {"low": 0.001, "high": 0.1, "prior": 0.004}})
    assert recipe_point(known) == guesses(known) == {"learning_rate": 0.004}


def test_listed_points_name_what_differs() -> None:
    space = parse_space({"dropout1": {"low": 0.0, "high": 0.5, "step": 0.1}, "kernel_size": [3, 5]})
    assert recipe_point(space, {"dropout1": 0.3}) == {"dropout1": 0.3, "kernel_size": 3}
    with pytest.raises(ConfigError, match="outside the space, which holds 0.0 to 0.5 in steps of 0.1"):
        recipe_point(space, {"dropout1": 0.35})
    for nonsense in (float("nan"), float("inf"), True, False, 10**400, [0.1], {}):
        with pytest.raises(ConfigError, match="outside the space"):
            recipe_point(space, {"dropout1": nonsense})
    with pytest.raises(ConfigError, match="not a searched hyperparameter"):
        recipe_point(space, {"epochs": 3})
    with pytest.raises(ConfigError, match="outside the space"):
        recipe_point(space, {"kernel_size": "three"})
    with pytest.raises(ConfigError, match=r"kernel_size = \(a value too large to show\): outside the space"):
        recipe_point(space, {"kernel_size": 10**5000})
    assert recipe_point(space, {"dropout1": 0, "kernel_size": 5.0}) == {"dropout1": 0.0, "kernel_size": 5}
