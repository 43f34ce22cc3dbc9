"""Short forms of names, and which name was meant."""

import pytest

from model.hyperparameters import Hyperparameters
from search.space import did_you_mean, initials

FIELDS = list(Hyperparameters.model_fields)


def test_short_forms_are_initials() -> None:
    short = initials(FIELDS)
    assert short["learning_rate"] == "lr"
    assert short["conv1_width"] == "c1w"
    assert short["dropout2"] == "d2"
    assert short["momentum"] == "momentum"
    assert len(set(short.values())) == len(FIELDS)


def test_names_of_equal_initials_stay_whole() -> None:
    assert initials(["weight_decay", "width_drop", "batch_size"]) == {
        "weight_decay": "weight_decay",
        "width_drop": "width_drop",
        "batch_size": "bs",
    }


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lr", "'learning_rate'"),
        ("LR", "'learning_rate'"),
        ("wd", "'weight_decay'"),
        ("bs", "'batch_size'"),
        ("kernel", "'kernel_size'"),
        ("width", "'conv1_width' or 'conv2_width' or 'hidden_width'"),
        ("dropout", "'dropout1' or 'dropout2'"),
        ("momentun", "'momentum'"),
        ("optimiser", "'optimizer'"),
    ],
)
def test_a_name_that_is_usual_elsewhere_is_a_near_miss_of_ours(typed: str, meant: str) -> None:
    assert did_you_mean(typed, FIELDS) == f"did you mean {meant}?"


def test_a_name_like_no_other_is_answered_by_all() -> None:
    assert did_you_mean("qqq", ["b", "a"]) == "known are a, b"
