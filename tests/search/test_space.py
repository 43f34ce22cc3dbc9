"""The shape of a value decides: scalar, list or range; and every rule of it is told in one line."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from model.errors import ConfigError
from model.hyperparameters import RECIPE
from search.space import complete, largest, nearest, parse_space, recipe_differences, recipe_point, size


def test_shapes_decide() -> None:
    space = parse_space(
        {
            "epochs": 12,
            "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
            "conv1_width": {"low": 16, "high": 64, "step": 16},
            "kernel_size": [3, 5, 7],
            "dropout2": {"low": 0, "high": 0.7},
        }
    )
    assert space.searched == {
        "learning_rate": FloatDistribution(0.1, 3.0, log=True),
        "conv1_width": IntDistribution(16, 64, step=16),
        "kernel_size": CategoricalDistribution([3, 5, 7]),
        "dropout2": FloatDistribution(0.0, 0.7),
    }
    assert space.fixed["epochs"] == 12
    assert space.fixed["batch_size"] == 64
    assert complete(space, {"learning_rate": 1.0, "conv1_width": 16, "kernel_size": 5, "dropout2": 0.1}).epochs == 12


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"learning_rat": 1.0}, "did you mean 'learning_rate'?"),
        ({"epochs": {"low": 1, "hihg": 3}}, "did you mean 'high'?"),
        ({"epochs": {"low": 1}}, "high is missing"),
        ({"epochs": {}}, "low is missing"),
        ({"epochs": {"low": 5, "high": 2}}, "low 5 must be below high 2"),
        ({"epochs": {"low": 1, "high": 8, "step": 3}}, "use high = 7"),
        ({"epochs": {"low": 1, "high": 8, "step": 0}}, "a whole number above 0"),
        ({"epochs": {"low": 1, "high": 8, "step": 99}}, "at most high - low"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": float("nan")}}, "at most high - low"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": 1e-320}}, "too small to count"),
        ({"epochs": {"low": 1.5, "high": 8}}, "valid integer"),
        ({"epochs": 0}, "use a whole number >= 1"),
        ({"epochs": "three"}, "valid integer"),
        ({"epochs": True}, "valid integer"),
        ({"weight_decay": {"low": 0.0, "high": 0.1, "log": True}}, "starts above 0"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "log": True, "step": 0.1}}, "exclude each other"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "log": "yes"}}, "true or false"),
        ({"learning_rate": {"low": 0.1, "high": 1e9}}, "less than or equal to 100"),
        ({"learning_rate": float("nan")}, "nan"),
        ({"dropout1": 1.0}, "< 1.0"),
        ({"kernel_size": [3, 4]}, "choose one of [3, 5, 7]"),
        ({"kernel_size": {"low": 3, "high": 7}}, "list the values"),
        ({"kernel_size": []}, "two values or more"),
        ({"kernel_size": [3, 3]}, "stands there twice"),
        ({"optimizer": ["sgd", "adamw"]}, "fixed within one experiment"),
        ({"momentum": [0.1, 0.9]}, "no effect with optimizer = 'adadelta'"),
        ({"gamma": [0.1, 0.9], "schedule": "constant"}, "no effect with schedule = 'constant'"),
        ({"pool": None}, "pool"),
        ({"pool": [["late"], "early"]}, "pool"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space(table)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert message.startswith(f"hyperparameters.{next(iter(table))}")


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
