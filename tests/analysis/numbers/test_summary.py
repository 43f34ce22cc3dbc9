"""Summaries of the tables agree with numbers worked out by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from analysis.numbers.summary import (
    best_so_far,
    comparable,
    curves_by,
    edges,
    finished,
    groups,
    is_one_factor,
    marginal,
    searched_fields,
)
from search.space import Space, parse_space

RATE = FloatDistribution(0.1, 10.0, log=True)


def table(**columns: list[Any]) -> pd.DataFrame:
    """Return a trial table of complete trials with these columns."""
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({"number": range(rows), "state": ["complete"] * rows, **columns})


def test_best_so_far_counts_only_complete_trials_over_numbers_and_over_time() -> None:
    trials = table(val_accuracy=[0.90, 0.99, 0.92, 0.91], clock=pd.to_timedelta([40, 5, 20, 10], unit="s"))
    trials.loc[1, "state"] = "pruned"
    by_number, by_clock = best_so_far(trials), best_so_far(trials, "clock")
    assert by_number.number.tolist() == [0, 2, 3]
    assert by_number.best.tolist() == [0.90, 0.92, 0.92]
    assert by_clock.clock.tolist() == [10.0, 20.0, 40.0]
    assert by_clock.best.tolist() == [0.91, 0.92, 0.92]


def test_the_lower_number_comes_first_among_equals() -> None:
    assert finished(table(val_accuracy=[0.9, 0.95, 0.95])).number.tolist() == [1, 2, 0]


def test_a_one_factor_at_a_time_study_is_recognised() -> None:
    one = table(a=[1, 2, 1, 1], b=[0.5, 0.5, 0.1, 0.9])
    assert is_one_factor(one, ["a", "b"])
    both = table(a=[1, 2, 1], b=[0.5, 0.1, 0.5])
    assert not is_one_factor(both, ["a", "b"])
    assert not is_one_factor(one, ["a"])
    assert comparable(one, "a", ["a", "b"]).number.tolist() == [0, 1]
    assert comparable(one, "b", ["a", "b"]).number.tolist() == [0, 2, 3]
    assert comparable(both, "a", ["a", "b"]).number.tolist() == [0, 1, 2]


def test_few_values_are_groups_of_their_own_in_order() -> None:
    numbers = groups(pd.Series([64, 16, 16, 32]), IntDistribution(16, 64, step=16))
    assert list(numbers.cat.categories) == ["16", "32", "64"]
    words = groups(pd.Series(["late", "early"]), CategoricalDistribution(["late", "never", "early"]))
    assert list(words.cat.categories) == ["late", "early"]


def test_many_values_fall_into_bins_of_equal_size_labelled_by_their_ends() -> None:
    labels = groups(pd.Series(np.arange(1.0, 9.0)), RATE)
    assert labels.tolist() == ["1 to 2"] * 2 + ["3 to 4"] * 2 + ["5 to 6"] * 2 + ["7 to 8"] * 2
    assert groups(pd.Series([1.0, np.nan]), RATE).tolist()[0] == "1"


def test_marginal_takes_quartiles_of_the_complete_trials_and_counts_all() -> None:
    trials = table(a=[3, 3, 3, 5, 5], val_accuracy=[0.90, 0.94, 0.98, 0.5, 0.97])
    trials.loc[3, "state"] = "pruned"
    found = marginal(trials, "a", CategoricalDistribution([3, 5]), ["a"])
    assert found.group.tolist() == ["3", "5"]
    assert found[["num_trials", "num_complete"]].to_numpy().tolist() == [[3, 3], [2, 1]]
    assert found.loc[0, ["q25", "median", "q75", "best"]].tolist() == pytest.approx([0.92, 0.94, 0.96, 0.98])
    assert found.loc[1, ["median", "best"]].tolist() == [0.97, 0.97]


def test_curves_are_medians_of_the_trials_that_reached_an_epoch_without_failing() -> None:
    trials = table(a=[3, 3, 3, 5])
    epochs = pd.DataFrame(
        [(0, 1, 0.80), (0, 2, 0.90), (1, 1, 0.84), (2, 1, 0.1), (3, 1, 0.7)],
        columns=["number", "epoch", "val_accuracy"],
    ).assign(state=["complete", "complete", "pruned", "failed", "complete"])
    found = curves_by(trials, epochs, "a", CategoricalDistribution([3, 5]), ["a"])
    assert found.group.tolist() == ["3", "3", "5"]
    assert found[["epoch", "n", "median"]].to_numpy().tolist() == [
        [1, 2, pytest.approx(0.82)],
        [2, 1, 0.9],
        [1, 1, 0.7],
    ]
    assert found.q25[0] == pytest.approx(0.81)
    assert found.q75[0] == pytest.approx(0.83)


def test_in_a_one_factor_study_curves_compare_only_trials_that_are_otherwise_equal() -> None:
    trials = table(a=[1, 2, 1], b=[5, 5, 6])
    epochs = pd.DataFrame({"number": [0, 1, 2], "epoch": 1, "val_accuracy": [0.9, 0.8, 0.1], "state": "complete"})
    choices = CategoricalDistribution([1, 2])
    found = curves_by(trials, epochs, "a", choices, ["a", "b"])
    assert found["median"].tolist() == [0.9, 0.8]
    assert marginal(trials.assign(val_accuracy=[0.9, 0.8, 0.1]), "a", choices, ["a", "b"])["best"].tolist() == [
        0.9,
        0.8,
    ]


def test_a_range_at_whose_end_the_best_trials_crowd_gets_a_hint() -> None:
    space = Space({}, {"learning_rate": RATE, "dropout1": FloatDistribution(0.0, 0.5)})
    accuracy = np.linspace(0.99, 0.95, 10)
    # Four of the five best lie in the upper tenth of the logarithmic range, from 6.3; none would on a linear one.
    rates = [7.0, 6.5, 8.0, 7.5, 1.0, 0.2, 0.3, 0.4, 0.5, 0.6]
    trials = table(val_accuracy=accuracy.tolist(), learning_rate=rates, dropout1=np.linspace(0.0, 0.5, 10).tolist())
    (edge,) = edges(trials, space)
    assert (edge.name, edge.side, edge.end, edge.crowd, edge.best) == ("learning_rate", "high", 10.0, 4, 5)
    assert edges(trials.head(7), space) == []
    fewer = trials.assign(learning_rate=[1.0, *rates[1:]])
    assert edges(fewer, space) == []


def test_there_is_no_hint_to_go_beyond_the_limits_of_the_hyperparameter_itself() -> None:
    space = Space({}, {"learning_rate": RATE, "dropout1": FloatDistribution(0.0, 0.5)})
    accuracy = np.linspace(0.99, 0.95, 10).tolist()
    trials = table(val_accuracy=accuracy, learning_rate=[1.0, 0.2, 5.0, 0.5, 2.0] * 2, dropout1=[0.01, 0.0] * 5)
    assert edges(trials, space) == []


def test_searched_fields_follow_the_configuration() -> None:
    space = parse_space({"dropout2": {"low": 0.0, "high": 0.5}, "epochs": 3, "kernel_size": [3, 5]})
    assert searched_fields(space) == ["dropout2", "kernel_size"]


def test_true_and_false_are_groups_of_their_own_like_any_other_values() -> None:
    choice = CategoricalDistribution([True, False])
    trials = table(batch_norm=pd.Series([True, False, True, None], dtype="boolean"), val_accuracy=[0.9, 0.7, 0.8, 0.6])
    assert groups(trials.batch_norm, choice).tolist()[:3] == ["True", "False", "True"]
    found = marginal(trials, "batch_norm", choice, ["batch_norm"])
    assert found.group.tolist() == ["False", "True"]
    assert found["median"].tolist() == pytest.approx([0.7, 0.85])
    assert is_one_factor(trials.head(3).assign(pool=["late", "late", "early"]), ["batch_norm", "pool"])
