"""Asynchronous successive halving, against values worked out by hand."""

import pytest

from search.halving import rungs, survives


@pytest.mark.parametrize(
    ("epochs", "grace", "factor", "expected"),
    [(14, 1, 3, [1, 3, 9]), (9, 1, 3, [1, 3]), (3, 1, 3, [1]), (3, 3, 2, []), (100, 4, 2, [4, 8, 16, 32, 64])],
)
def test_rungs_end_before_the_last_epoch(epochs: int, grace: int, factor: int, expected: list[int]) -> None:
    assert rungs(epochs, grace, factor) == expected


def test_best_third_survives() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert [survives(value, values, 3) for value in values] == [False] * 4 + [True] * 2


def test_the_first_survives_and_ties_survive() -> None:
    assert survives(0.1, [0.1], 3)
    assert survives(0.5, [0.5, 0.5, 0.5, 0.5], 4)
    assert not survives(0.4, [0.5, 0.4], 3)


def test_asking_twice_gives_the_same_answer() -> None:
    values = [0.9, 0.91, 0.89, 0.95]
    assert [survives(value, values, 2) for value in values] == [survives(value, values, 2) for value in values]
