"""Importance finds the hyperparameter that decides, or says why it can't."""

import numpy as np
import optuna
import pandas as pd
import pytest

from analysis.numbers.importance import common_epoch, importance
from search.space import parse_space

SPACE = parse_space(
    {
        "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
        "kernel_size": [3, 5, 7],
        "conv1_width": {"low": 16, "high": 64},
    }
)


def once(table: pd.DataFrame) -> pd.DataFrame:
    """Return an epoch table in which each trial has one epoch."""
    return table[["number", "val_accuracy"]].assign(epoch=1)


def trials(count: int) -> pd.DataFrame:
    """Return complete trials whose accuracy depends on the learning rate alone."""
    generator = np.random.default_rng(1)
    rates = np.exp(generator.uniform(np.log(0.1), np.log(3.0), count))
    return pd.DataFrame(
        {
            "number": range(count),
            "state": "complete",
            "learning_rate": rates,
            "kernel_size": pd.Series(generator.choice([3, 5, 7], count), dtype="Int64"),
            "conv1_width": pd.Series(generator.integers(16, 65, count), dtype="Int64"),
            "val_accuracy": 0.99 - 0.01 * np.log(rates) ** 2,
        }
    )


def test_the_deciding_hyperparameter_has_the_largest_share() -> None:
    shares, text = importance(trials(60), once(trials(60)), SPACE)
    assert shares is not None
    assert shares.index[0] == "learning_rate"
    assert shares.iloc[0] > 0.5
    assert shares.sum() == pytest.approx(1)
    assert set(shares.index) == set(SPACE.searched)
    assert text == (
        "what sets the best 10% of the 60 trials that reached epoch 1 apart from the rest at that epoch (PED-ANOVA)"
    )


def test_nothing_of_optuna_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.enable_propagation()
    try:
        importance(trials(8), once(trials(8)), SPACE)
    finally:
        optuna.logging.disable_propagation()
    assert caplog.records == []


def test_a_small_study_sets_apart_half_of_its_trials() -> None:
    shares, text = importance(trials(8), once(trials(8)), SPACE)
    assert shares is not None
    assert "the best 50% of the 8" in text


def test_trials_that_were_stopped_count_at_the_epoch_that_all_reached() -> None:
    """A default search completes two trials of twelve: what the ten others show after one epoch is not lost."""
    table = trials(40)
    table["state"] = np.where(table.number < 2, "complete", "pruned")
    first = once(table)
    last = first[first.number < 2].assign(epoch=3, val_accuracy=[0.1, 0.99])
    shares, text = importance(table.assign(val_accuracy=0.5), pd.concat([first, last]), SPACE)
    assert shares is not None
    assert shares.index[0] == "learning_rate"
    assert "the 40 trials that reached epoch 1" in text


@pytest.mark.parametrize(
    ("reached", "epoch"),
    [
        ([8], 1),
        ([7], None),
        ([12, 8], 2),  # at least 8
        ([12, 7], 1),
        ([20, 10, 9], 2),  # and at least half
        ([], None),
    ],
)
def test_the_common_epoch_is_the_last_that_half_of_the_trials_and_eight_reached(
    reached: list[int], epoch: int | None
) -> None:
    rows = [(number, place, 0.9) for place, count in enumerate(reached, start=1) for number in range(count)]
    table = pd.DataFrame(rows, columns=["number", "epoch", "val_accuracy"]).astype({"val_accuracy": float})
    assert common_epoch(table) == epoch


def test_a_reason_stands_in_for_importance_that_cannot_be_computed() -> None:
    few, enough = trials(7), trials(20)
    assert importance(few, once(few), SPACE) == (
        None, "7 trials with a finished epoch are too few for importance, which needs 8."
    )  # fmt: skip
    assert "same accuracy after epoch 1" in importance(enough, once(enough.assign(val_accuracy=0.9)), SPACE)[1]
    one = parse_space({"kernel_size": [3, 5, 7]})
    assert "1 hyperparameter was searched" in importance(enough, once(enough), one)[1]
    same = trials(20)
    same[["learning_rate", "kernel_size"]] = [1.0, 3]
    assert "One factor" in importance(same, once(same), SPACE)[1]
    assert importance(trials(0), once(trials(0)), SPACE)[0] is None


def test_importance_explains_the_best_trials_and_not_the_worst() -> None:
    table = trials(80)
    slow, large = table.learning_rate < 0.15, table.kernel_size == 7
    # A low learning rate alone makes the best; among the rest a kernel of 7 makes the worst.
    table["val_accuracy"] = np.where(slow, 0.99, np.where(large, 0.9, 0.95)) - 1e-6 * table.number
    shares, _ = importance(table, once(table), SPACE)
    assert shares is not None
    assert shares.index[0] == "learning_rate"
