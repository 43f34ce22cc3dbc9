"""Means, simultaneous intervals and noise of confirmation runs, compared with a table of t."""

import math

import numpy as np
import pytest

from analysis.numbers.confirmation import confirmation, level, seed_noise
from search.store.candidates import Candidate, candidates_of, ranked
from search.store.records import TrialRecord


def runs(*rows: tuple[int, str, float]) -> list[Candidate]:
    """Return the candidates of confirmation runs that are given as (candidate, state, val_accuracy)."""
    records = [
        TrialRecord(number, state, accuracy, {}, [], {"candidate": candidate})
        for number, (candidate, state, accuracy) in enumerate(rows)
    ]
    return ranked(candidates_of(records))


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


def test_the_intervals_of_several_candidates_cover_together() -> None:
    one = [(4, "complete", 0.990), (4, "complete", 0.991), (4, "complete", 0.992)]
    row = confirmation(runs(*one, *[(number, "complete", 0.9) for number in (5, 6, 7)])).iloc[0]
    # Each of four at 1 - 0.05 / 4: t(0.99375, 2) = 8.8602 by Student's distribution
    assert row.high - row["mean"] == pytest.approx(8.8602 * 0.001 / math.sqrt(3), rel=1e-4)
    assert level(1) == 0.95


def test_the_best_of_equal_candidates_is_covered_as_often_as_promised() -> None:
    """Selection is what the level pays for: at 95 % each, the best of ten lies outside far more often than in 5 %."""
    generator, missed = np.random.default_rng(0), 0
    for _ in range(200):
        values = generator.normal(0.98, 0.001, (10, 5))
        table = confirmation(runs(*[(number, "complete", v) for number, row in enumerate(values) for v in row]))
        missed += not table.low[0] <= 0.98 <= table.high[0]
    assert missed <= 200 * 0.05


def test_the_noise_between_seeds_is_pooled_over_candidates() -> None:
    rows = [(1, "complete", v) for v in (0.98, 0.982)] + [(2, "complete", v) for v in (0.97, 0.973, 0.976)]
    noise = seed_noise(confirmation(runs(*rows, (3, "complete", 0.9))), trials=3)
    assert noise is not None
    # The variances are 2e-6 with one degree of freedom and 9e-6 with two; q(0.05; 3, 3) = 5.91 in any table.
    assert noise[0] == pytest.approx(math.sqrt((1 * 2e-6 + 2 * 9e-6) / 3))
    assert noise[1] == pytest.approx(5.91 * noise[0], rel=1e-3)


def test_single_runs_give_no_measure_of_the_noise_between_seeds() -> None:
    assert seed_noise(confirmation(runs((1, "complete", 0.9), (2, "complete", 0.8))), trials=2) is None
    assert seed_noise(confirmation(runs()), trials=2) is None


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
