"""Importance finds the hyperparameter that decides, or says why it can't."""

import numpy as np
import pandas as pd
import pytest

from analysis.importance import importance
from search.space import parse_space

SPACE = parse_space(
    {
        "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
        "kernel_size": [3, 5, 7],
        "conv1_width": {"low": 16, "high": 64},
    }
)


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
    shares, text = importance(trials(60), SPACE)
    assert shares is not None
    assert shares.index[0] == "learning_rate"
    assert shares.iloc[0] > 0.5
    assert shares.sum() == pytest.approx(1)
    assert set(shares.index) == set(SPACE.searched)
    assert text == "what sets the best 10% of 60 complete trials apart from the rest (PED-ANOVA)"


def test_a_small_study_sets_apart_half_of_its_trials() -> None:
    shares, text = importance(trials(8), SPACE)
    assert shares is not None
    assert "the best 50% of 8" in text


def test_a_reason_stands_in_for_importance_that_cannot_be_computed() -> None:
    few = trials(20)
    few.loc[7:, "state"] = "pruned"
    assert importance(few, SPACE) == (None, "7 complete trials are too few for importance, which needs 8.")
    assert "same accuracy" in importance(trials(20).assign(val_accuracy=0.9), SPACE)[1]
    assert "1 hyperparameter was searched" in importance(trials(20), parse_space({"kernel_size": [3, 5, 7]}))[1]
    same = trials(20)
    same[["learning_rate", "kernel_size"]] = [1.0, 3]
    assert "One factor" in importance(same, SPACE)[1]
    assert importance(trials(0), SPACE)[0] is None


def test_importance_explains_the_best_trials_and_not_the_worst() -> None:
    table = trials(80)
    slow, large = table.learning_rate < 0.15, table.kernel_size == 7
    # A low learning rate alone makes the best; among the rest a kernel of 7 makes the worst.
    table["val_accuracy"] = np.where(slow, 0.99, np.where(large, 0.9, 0.95)) - 1e-6 * table.number
    shares, _ = importance(table, SPACE)
    assert shares is not None
    assert shares.index[0] == "learning_rate"
