"""Failed trials are grouped by cause, and set apart only by what no other trial has and chance hardly explains."""

from typing import Any

import pandas as pd
import pytest

from analysis.tables import TRIAL_COLUMNS
from analysis.tables.run import read_run
from analysis.words.failures import post_mortem, set_apart
from model.hyperparameters import RECIPE
from tests.analysis.studies import NewRun

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 2}
SPREAD = [{"learning_rate": 0.1 + number * 0.15, "dropout2": 0.1 + number / 20} for number in range(12)]


def trials(points: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the hyperparameter columns of a trial table; what a point does not name is as in the recipe."""
    dtypes = {name: TRIAL_COLUMNS[name].dtype for name in RECIPE.model_dump()}
    return pd.DataFrame([RECIPE.model_dump() | point for point in points], columns=list(dtypes)).astype(dtypes)


def test_failures_are_grouped_by_their_first_line_apart_from_numbers(new_run: NewRun) -> None:
    new = new_run(SPACE)
    for error in ("boom", "loss nan in epoch 3\ndetails", "loss nan in epoch 11\nothers", None):
        new.trial([], "failed", error=error)
    assert post_mortem(read_run(new.run_dir).trials) == [
        "2 trials failed (1, 2): loss nan in epoch 3",
        "1 trial failed (0): boom",
        "1 trial failed (3): no reason was recorded",
    ]


def test_a_cause_names_what_its_failed_trials_alone_share(new_run: NewRun) -> None:
    new = new_run({"learning_rate": {"low": 0.1, "high": 3.0}, "kernel_size": [3, 5, 7], "epochs": 2})
    for number in range(10):
        new.trial([0.9], params={"learning_rate": 0.2 + number / 5, "kernel_size": 3 + 2 * (number % 2)})
    for missing, rate in ((7, 0.1), (9, 3.0)):
        error = f"OutOfMemoryError: {missing} MiB were missing."
        new.trial([], "failed", params={"learning_rate": rate, "kernel_size": 7}, error=error)
    new.trial([], "failed", params={"learning_rate": 2.5, "kernel_size": 3}, error="boom")
    # An interrupted trial may still fail of the same cause, so it does not count as another.
    new.trial([], "open", params={"learning_rate": 2.6, "kernel_size": 7})
    assert post_mortem(read_run(new.run_dir).trials) == [
        "2 trials failed (10, 11): OutOfMemoryError: 7 MiB were missing; "
        "what they share and no other ended trial has: kernel_size = 7",
        "1 trial failed (12): boom",
    ]


def test_trials_that_outlived_a_worker_are_listed(new_run: NewRun) -> None:
    new = new_run(SPACE)
    for _ in range(11):
        new.study.set_attributes(new.begin(), retries=1)
    assert post_mortem(read_run(new.run_dir).trials) == [
        "11 trials went on after a worker had died (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more)."
    ]


def test_a_damaged_saved_state_is_reported(new_run: NewRun) -> None:
    new = new_run(SPACE)
    new.study.set_attributes(new.begin(), damaged="state.bin can't be read: trained again from epoch 1")
    new.trial([0.9, 0.95])
    assert post_mortem(read_run(new.run_dir).trials) == [
        "1 trial went on after a damaged checkpoint (0): state.bin can't be read: trained again from epoch 1"
    ]


def test_values_and_ranges_that_no_other_trial_has_set_apart_with_the_most_telling_first() -> None:
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


def test_at_most_three_hyperparameters_are_named() -> None:
    group = trials([{"pool": "early", "schedule": "constant", "momentum": 0.5, "hidden_width": 8}] * 4)
    assert len(set_apart(group, trials(SPREAD))) == 3


@pytest.mark.parametrize(
    ("group", "others"),
    [
        pytest.param([{"kernel_size": 7}], SPREAD * 2, id="one trial differs from all others in any case"),
        pytest.param([{"learning_rate": 2.0}, {"learning_rate": 2.1}], SPREAD, id="any two in a row: 13 of 91 ways"),
        pytest.param([{"kernel_size": 7}] * 2, SPREAD[:3], id="too few others: 1 of 10 ways"),
        pytest.param([{"kernel_size": 7}] * 2, [], id="no others"),
        pytest.param([{"pool": "early"}, {"pool": "late"}], [{"pool": "late"}] * 12, id="two words"),
        pytest.param([{"kernel_size": 7}] * 2, [*SPREAD, {"kernel_size": 7}], id="another trial has it too"),
        pytest.param([{"kernel_size": 7}, {"kernel_size": None}], SPREAD, id="a value is missing"),
    ],
)
def test_nothing_sets_apart_what_others_have_too_or_chance_explains(group: list[Any], others: list[Any]) -> None:
    assert set_apart(trials(group), trials(others)) == []


def test_two_trials_are_enough_where_chance_would_hardly_pick_them() -> None:
    assert set_apart(trials([{"kernel_size": 7}] * 2), trials([{}] * 5)) == ["kernel_size = 7"]  # 1 of 21 ways
    assert set_apart(trials([{"pool": "early"}] * 2), trials([{}] * 5)) == ["pool = early"]
    assert set_apart(trials([{"batch_norm": True}] * 2), trials([{}] * 5)) == ["batch_norm = True"]
