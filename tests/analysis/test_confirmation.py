"""Means and Student-t intervals of confirmation runs, compared with a table of t."""

import math

import pandas as pd
import pytest

from analysis.confirmation import confirmation


def runs(*rows: tuple[int, str, float]) -> pd.DataFrame:
    """Return the columns of a confirmation table that count here, from (candidate, state, val_accuracy)."""
    return pd.DataFrame(list(rows), columns=["candidate", "state", "val_accuracy"])


def test_mean_deviation_and_interval_follow_student() -> None:
    table = confirmation(runs((4, "complete", 0.990), (4, "complete", 0.991), (4, "complete", 0.992)))
    (row,) = table.to_dict("records")
    assert (row["candidate"], row["n"], row["num_failed"], row["num_unfinished"]) == (4, 3, 0, 0)
    assert row["mean"] == pytest.approx(0.991)
    assert row["std"] == pytest.approx(0.001)
    # t(0.975, 2) = 4.302653 in any table
    half = 4.302653 * 0.001 / math.sqrt(3)
    assert row["low"] == pytest.approx(0.991 - half, abs=1e-9)
    assert row["high"] == pytest.approx(0.991 + half, abs=1e-9)


def test_one_run_has_no_interval_and_no_run_has_no_mean() -> None:
    table = confirmation(runs((2, "running", 0.5), (4, "complete", 0.99), (4, "failed", 0.1)))
    assert table.candidate.tolist() == [4, 2]
    assert table.n.tolist() == [1, 0]
    assert table[["num_failed", "num_unfinished"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    assert table["mean"].tolist()[0] == 0.99
    assert table[["std", "low", "high"]].isna().all(axis=None)


def test_equal_runs_have_an_interval_of_no_width() -> None:
    row = confirmation(runs((4, "complete", 0.75), (4, "complete", 0.75))).iloc[0]
    assert (row["std"], row.low, row.high) == (0.0, 0.75, 0.75)


def test_the_best_mean_comes_first_and_the_lower_number_among_equals() -> None:
    table = confirmation(runs((9, "complete", 0.98), (2, "complete", 0.98), (5, "complete", 0.99)))
    assert table.candidate.tolist() == [5, 2, 9]


def test_a_candidate_that_fails_too_often_to_win_comes_after_those_that_may() -> None:
    lucky = [(3, "complete", 0.999), *[(3, "failed", 0.1)] * 4]
    assert confirmation(runs(*lucky, (5, "complete", 0.98), (5, "complete", 0.98))).candidate.tolist() == [5, 3]


def test_an_interval_is_clipped_to_the_range_of_an_accuracy() -> None:
    row = confirmation(runs((4, "complete", 0.1), (4, "complete", 0.9))).iloc[0]
    assert (row.low, row.high) == (0.0, 1.0)


def test_no_runs_make_an_empty_table() -> None:
    assert confirmation(runs()).empty
