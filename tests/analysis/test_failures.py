"""What sets failed trials apart: only what no other trial has, and what chance alone would hardly do."""

from typing import Any

import pandas as pd
import pytest

from analysis.failures import set_apart
from analysis.tables import TRIAL_COLUMNS
from model.hyperparameters import RECIPE

SPREAD = [{"learning_rate": 0.1 + number * 0.15, "dropout2": 0.1 + number / 20} for number in range(12)]


def trials(points: list[dict[str, Any]]) -> pd.DataFrame:
    """As much of a trial table as counts here."""
    dtypes = {name: TRIAL_COLUMNS[name].dtype for name in RECIPE.model_dump()}
    return pd.DataFrame([RECIPE.model_dump() | point for point in points], columns=list(dtypes)).astype(dtypes)


def test_values_and_ranges_that_no_other_trial_has_are_told_the_most_telling_first() -> None:
    group = [
        {
            "schedule": "constant",
            "kernel_size": 2 + 2 * (number % 2),
            "dropout2": number / 50,
            "learning_rate": 2.1 + number / 10,
        }
        for number in range(4)
    ]
    # By chance 1, 13 and 13 of the 1,820 ways to pick 4 of 16. The kernel sizes lie on both sides of the others' 3.
    assert set_apart(trials(group), trials(SPREAD)) == [
        "schedule = constant",
        "dropout2 from 0 to 0.06",
        "learning_rate from 2.1 to 2.4",
    ]


def test_no_more_than_three_are_told() -> None:
    group = trials([{"pool": "early", "schedule": "constant", "momentum": 0.5, "hidden_width": 8}] * 4)
    assert len(set_apart(group, trials(SPREAD))) == 3


@pytest.mark.parametrize(
    ("group", "others"),
    [
        ([{"kernel_size": 7}], SPREAD * 2),  # one trial differs from all others in any case
        ([{"learning_rate": 2.0}, {"learning_rate": 2.1}], SPREAD),  # 13 of 91 ways: any two in a row
        ([{"kernel_size": 7}, {"kernel_size": 7}], SPREAD[:3]),  # 1 of 10
        ([{"kernel_size": 7}, {"kernel_size": 7}], []),
        ([{"pool": "early"}, {"pool": "late"}], [{"pool": "late"}] * 12),
        ([{"kernel_size": 7}, {"kernel_size": 7}], [*SPREAD, {"kernel_size": 7}]),
        ([{"kernel_size": 7}, {"kernel_size": None}], SPREAD),
    ],
)
def test_what_others_have_too_and_what_chance_would_do_is_not_told(group: list[Any], others: list[Any]) -> None:
    assert set_apart(trials(group), trials(others)) == []


def test_two_trials_are_enough_where_chance_would_hardly_pick_them() -> None:
    assert set_apart(trials([{"kernel_size": 7}] * 2), trials([{}] * 5)) == ["kernel_size = 7"]  # 1 of 21 ways
    assert set_apart(trials([{"pool": "early"}] * 2), trials([{}] * 5)) == ["pool = early"]
