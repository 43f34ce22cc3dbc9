"""The shape of a value decides: scalar, list or range; and every rule has its message of one line."""

from typing import Annotated, Literal

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field

from model.errors import ConfigError
from model.hyperparameters import Hyperparameters, Role
from search.space import complete, known, largest, networks, parse_space, parsing, points, recipe_point


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
