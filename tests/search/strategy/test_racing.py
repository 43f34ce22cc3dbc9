"""What runs on the same seeds tell of two candidates, compared with a table of t."""

import math

import pytest

from search.strategy.racing import as_good, difference, is_behind

ZIGZAG = [0.001, -0.001, 0.001, -0.001, 0.001, -0.001]  # mean 0


def scores(*values: float, first: int = 1) -> dict[int, float]:
    return dict(enumerate(values, start=first))


def test_the_difference_is_paired_by_seed_and_its_interval_follows_student() -> None:
    found = difference({1: 0.990, 2: 0.980, 3: 0.970, 9: 0.1}, {3: 0.967, 2: 0.978, 1: 0.989})
    assert found is not None
    assert (found.pairs, found.mean) == (3, pytest.approx(0.002))
    half = 4.302653 * 0.001 / math.sqrt(3)  # t(0.975, 2) in any table
    assert (found.low, found.high) == (pytest.approx(0.002 - half), pytest.approx(0.002 + half))


def test_fewer_than_two_pairs_have_no_difference() -> None:
    assert difference(scores(0.9, 0.8), scores(0.9, 0.8, first=2)) is None
    assert not is_behind(scores(0.1), scores(0.9))


def test_a_seed_that_is_hard_for_both_hides_no_difference() -> None:
    leader = scores(0.99, 0.90, 0.80)
    assert is_behind(scores(0.989, 0.899, 0.7991), leader)
    assert not is_behind(scores(0.99, 0.80, 0.90), leader)


def test_the_leader_is_not_behind_itself_nor_behind_its_equal() -> None:
    assert not is_behind(scores(0.98, 0.98), scores(0.98, 0.98))


def test_two_are_as_good_once_five_seeds_do_not_tell_them_apart() -> None:
    for seeds in (4, 5, 6):
        assert as_good(scores(*ZIGZAG[:seeds]), scores(*[0.0] * seeds)) == (seeds >= 5)
    assert not as_good(scores(*[value - 0.01 for value in ZIGZAG]), scores(*[0.0] * 6))
