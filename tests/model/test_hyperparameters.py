"""Every field declares its role in a search, and a new field needs no other place."""

import inspect
import json
from typing import Annotated

import pytest
import torch
from pydantic import Field

from analysis.tables import trial_rows
from model.augment import STRENGTHS
from model.hyperparameters import RECIPE, Hyperparameters, Role, allowed, role
from model.network import Net

FIELDS = Hyperparameters.model_fields


class Wider(Hyperparameters):
    """The hyperparameters with one more, an argument of the network."""

    stride: Annotated[int, Role("pixels", most_memory="smallest", in_network=True)] = Field(
        1, ge=1, le=2, description="step between pixels"
    )


def test_the_networks_arguments_are_those_that_say_so() -> None:
    assert set(RECIPE.architecture()) == set(inspect.signature(Net).parameters)
    assert Wider().architecture() == {**RECIPE.architecture(), "stride": 1}


def test_the_exported_network_has_no_batch_norm() -> None:
    chosen = Hyperparameters(conv1_width=8, batch_norm=True)
    assert chosen.exported_architecture() == Hyperparameters(conv1_width=8).architecture()
    assert chosen.architecture()["batch_norm"] is True


@pytest.mark.parametrize("pool", ["late", "early"])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_parameters_are_counted_as_the_network_has_them(pool: str, kernel_size: int, batch_norm: bool) -> None:
    widths = {"conv1_width": 3, "conv2_width": 5, "hidden_width": 7}
    chosen = Hyperparameters(pool=pool, kernel_size=kernel_size, batch_norm=batch_norm, **widths)
    for point in (chosen, Hyperparameters(pool=pool, kernel_size=kernel_size, batch_norm=batch_norm)):
        with torch.device("meta"):
            net = Net(**point.architecture())
        assert point.num_parameters == sum(parameter.numel() for parameter in net.parameters())


def test_what_the_article_does_not_have_is_off() -> None:
    off = {name: RECIPE.model_dump()[name] for name in ("batch_norm", "ema_decay", *STRENGTHS)}
    assert not any(off.values())


def test_units() -> None:
    assert {name: role(field).unit for name, field in FIELDS.items() if role(field).unit} == {
        "kernel_size": "pixels",
        "dropout1": "fraction",
        "dropout2": "fraction",
        "ema_decay": "fraction",
        "rotation": "degrees",
        "shift": "pixels",
        "scale": "fraction",
        "shear": "fraction",
        "elastic": "pixels",
        "thickness": "pixels",
        "blur": "pixels",
        "contrast": "fraction",
        "noise": "fraction",
        "batch_size": "images",
        "epochs": "epochs",
    }


@pytest.mark.parametrize("name", FIELDS)
def test_a_role_names_existing_fields_and_values(name: str) -> None:
    declared = role(FIELDS[name])
    if declared.only_with:
        other, value = declared.only_with
        assert Hyperparameters(**{other: value}).model_dump()[other] == value
    if declared.most_memory not in ("", "largest", "smallest"):
        assert Hyperparameters(**{name: declared.most_memory}).model_dump()[name] == declared.most_memory


def test_a_new_field_becomes_a_column_with_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_rows, "Hyperparameters", Wider)
    column = trial_rows._hyperparameter_columns()["stride"]
    assert column == ("Int64", "pixels", "hyperparameter: step between pixels")


def test_allowed_values_in_words() -> None:
    assert allowed(FIELDS["kernel_size"]) == "one of [3, 5, 7]"
    assert allowed(FIELDS["pool"]) == "one of ['late', 'early']"
    assert allowed(FIELDS["batch_norm"]) == "true or false"
    assert allowed(FIELDS["epochs"]) == "a whole number >= 1 and <= 10000"
    assert allowed(FIELDS["gamma"]) == "a number > 0.0 and <= 1.0"


def test_a_role_leaves_bounds_and_files_alone() -> None:
    assert json.loads(Wider().model_dump_json())["stride"] == 1
    with pytest.raises(ValueError, match="less than or equal to 2"):
        Wider(stride=3)
