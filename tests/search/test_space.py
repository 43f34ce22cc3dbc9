"""The shape of a value decides: scalar, list or range; and every rule has its message of one line."""

from typing import Annotated, Literal

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from model.errors import ConfigError
from model.hyperparameters import RECIPE, Hyperparameters, Role
from search.space import (
    complete,
    fits,
    fitted,
    grid,
    guesses,
    known,
    largest,
    nearest,
    networks,
    parse_space,
    parsing,
    points,
    recipe_differences,
    recipe_point,
    size,
    smallest,
    widened,
)


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
        ({"epochs": {"low": 5, "high": 2}}, "`low <= high` must hold, but got (low=5, high=2); correct the range"),
        ({"epochs": {"low": 1, "high": 8, "step": 3}}, "use high = 7"),
        ({"epochs": {"low": 5, "high": 5}}, "low and high are the same; write epochs = 5"),
        ({"epochs": {"low": 1, "high": 8, "step": 0.5}}, "a whole number above 0"),
        ({"epochs": {"low": 1, "high": 8, "step": 0}}, "`step > 0` must hold, but got step=0"),
        ({"epochs": {"low": 1, "high": 8, "step": -1}}, "`step > 0` must hold, but got step=-1"),
        ({"epochs": {"low": 8, "high": 1, "step": 3}}, "`low <= high` must hold"),
        ({"epochs": {"low": 1, "high": 8, "step": 99}}, "use high = 100 or a step that divides 7"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": 0.2}}, "use high = 0.4 or a step that divides 0.5"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": 1e300}}, "step = 1e+300: must be a number above 0, up to"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": float("nan")}}, "step = nan: must be a number above 0"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": True}}, "step = True: must be a number above 0"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "step": 1e-320}}, "too small to count"),
        ({"epochs": {"low": 1.5, "high": 8}}, "valid integer"),
        ({"epochs": {"low": 2, "high": 8, "prior": 9}}, "epochs.prior = 9: outside the range, which holds 2 to 8; w"),
        ({"epochs": {"low": 2, "high": 8, "step": 3, "prior": 4}}, "holds 2 to 8 in steps of 3; widen it or move the"),
        ({"epochs": {"low": 2, "high": 8, "prior": 2.5}}, "epochs.prior = 2.5: should be a valid integer"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "prior": float("nan")}}, "dropout1.prior = nan"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "prior": 1}}, "dropout1.prior = 1: should be less than 1"),
        ({"dropout1": {"low": 0.0, "high": 0.5, "prior": True}}, "dropout1.prior = True"),
        ({"epochs": 0}, "use a whole number >= 1"),
        ({"epochs": "three"}, "valid integer"),
        ({"epochs": True}, "valid integer"),
        ({"weight_decay": {"low": 0.0, "high": 0.1, "log": True}}, "`low > 0` must hold for `log=True`, but got"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "log": True, "step": 0.1}}, "`step` is not supported when"),
        ({"epochs": {"low": 1, "high": 9, "log": True, "step": 2}}, "only accept step is 1 when `log`"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "log": "yes"}}, "true or false"),
        ({"learning_rate": {"low": 0.1, "high": 1e9}}, "less than or equal to 100"),
        ({"learning_rate": float("nan")}, "nan"),
        ({"dropout1": 1.0}, "< 1.0"),
        ({"kernel_size": [3, 4]}, "use one of [3, 5, 7]"),
        ({"kernel_size": {"low": 3, "high": 7}}, "list the values"),
        ({"kernel_size": []}, "two values or more"),
        ({"kernel_size": [3, 3]}, "duplicate choice 3; remove it"),
        ({"optimizer": ["sgd", "adamw"]}, "fixed within one experiment"),
        ({"momentum": [0.1, 0.9]}, "no effect with optimizer = 'adadelta'; drop it or use 'sgd'"),
        ({"gamma": [0.1, 0.9], "schedule": "constant"}, "no effect with schedule = 'constant'; drop it or use 'step'"),
        ({"batch_norm": 1}, "batch_norm = 1: should be a valid boolean; use true or false"),
        ({"batch_norm": "true"}, "batch_norm = 'true': should be a valid boolean; use true or false"),
        ({"batch_norm": [True, 0]}, "batch_norm = 0: should be a valid boolean; use true or false"),
        ({"batch_norm": [True, True]}, "duplicate choice True; remove it"),
        ({"batch_norm": {"low": 0, "high": 1}}, "a choice, not a range; list the values, as batch_norm = [...]"),
        ({"kernel_size": [3, True]}, "use one of [3, 5, 7]"),
        ({"ema_decay": 1}, "use a number >= 0.0 and < 1.0"),
        ({"rotation": True}, "should be a valid number; use a number >= 0.0 and <= 180.0"),
        ({"pool": None}, "pool"),
        ({"pool": [["late"], "early"]}, "pool"),
    ],
)  # fmt: skip
def test_mistakes_get_one_line(table: dict[str, object], words: str) -> None:
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


class Wider(Hyperparameters):
    """The hyperparameters with three more: each declares its role, and nothing else names it."""

    heads: Annotated[int, Role("heads", "smallest", only_with=("pool", "early"))] = Field(
        4, ge=1, le=8, description="h"
    )
    block: Annotated[Literal["wide", "small", "deep"], Role(most_memory="deep")] = Field("small", description="b")
    jitter: float = Field(0.1, ge=0.0, le=1.0, description="j")


@pytest.fixture
def _wider(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"Hyperparameters": Wider, "FIELDS": Wider.model_fields, "RECIPE": Wider()}.items():
        for module in (known, networks, parsing, points):
            monkeypatch.setattr(module, name, value, raising=False)


@pytest.mark.usefixtures("_wider")
def test_a_new_field_is_searched_by_what_it_declares() -> None:
    heads = {"low": 2, "high": 6}
    space = parse_space({"pool": "early", "heads": heads, "block": ["wide", "small", "deep"], "jitter": [0.5, 0.2]})
    biggest = largest(space).model_dump()
    assert (biggest["heads"], biggest["block"], biggest["jitter"]) == (2, "deep", 0.5)
    assert recipe_point(space) == {"heads": 4, "block": "small", "jitter": 0.2}
    with pytest.raises(
        ConfigError, match="heads = 'searched': has no effect with pool = 'late'; drop it or use 'early'"
    ):
        parse_space({"heads": heads})
    assert "heads" in parse_space({"heads": heads, "pool": ["late", "early"]}).searched
    with pytest.raises(ConfigError, match="use one of .'wide', 'small', 'deep'."):
        parse_space({"block": "tall"})


SIZES = {"conv1_width": {"low": 2, "high": 8, "step": 2}, "conv2_width": [4, 16], "hidden_width": [8, 32]}
SIZES |= {"kernel_size": [3, 5, 7], "pool": ["late", "early"], "batch_norm": [True, False]}


def test_the_smallest_network_is_the_smallest_of_all() -> None:
    space = parse_space({**SIZES, "dropout1": [0.1, 0.2]})
    fewest = min(complete(space, point).num_parameters for point in grid(space.searched))
    assert set(smallest(space)) == set(SIZES)
    assert complete(space, smallest(space)).num_parameters == fewest
    assert smallest(parse_space({"dropout1": [0.1, 0.2]})) == {}


@pytest.mark.parametrize("limit", [750, 1_500, 4_000, 30_000])
def test_a_network_with_too_many_parameters_gives_way_to_one_of_the_space_that_fits(limit: int) -> None:
    space = parse_space(SIZES, max_parameters=limit)
    points = grid(space.searched)
    for point in points:
        found = fitted(space, point)
        assert found in points
        assert complete(space, found).num_parameters <= limit
        assert (found == point) == fits(space, point)
    assert size(space) == sum(fits(space, point) for point in points) < len(points)


def test_a_network_gives_up_no_more_than_it_must() -> None:
    wide = {"low": 1, "high": 1024}
    space = parse_space({"conv1_width": wide, "conv2_width": wide, "hidden_width": wide}, max_parameters=100_000)
    found = fitted(space, {"conv1_width": 100, "conv2_width": 200, "hidden_width": 800})
    assert 70_000 < complete(space, found).num_parameters <= 100_000
    assert found["conv1_width"] < found["conv2_width"] < found["hidden_width"]


def test_the_recipe_gives_way_too_and_a_named_point_is_refused() -> None:
    table = {"conv2_width": {"low": 8, "high": 64}, "dropout1": {"low": 0.0, "high": 0.5}}
    space = parse_space(table, max_parameters=500_000)
    recipe = recipe_point(space)
    assert recipe["conv2_width"] < 64
    assert recipe["dropout1"] == 0.25
    assert complete(space, recipe).num_parameters <= 500_000
    assert recipe_differences(space) == {"conv2_width": (64, recipe["conv2_width"])}
    assert recipe_point(space, {"dropout1": 0.1}) == {**recipe, "dropout1": 0.1}
    with pytest.raises(ConfigError, match=r"1,199,882 parameters, constraints\.max_parameters is 500,000"):
        recipe_point(space, {"conv2_width": 64})
