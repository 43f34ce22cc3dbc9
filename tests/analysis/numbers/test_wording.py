"""Numbers read as people write them, also where one is missing."""

import math

import pytest

from analysis.numbers.wording import count, format_value, listed, percent, scored


@pytest.mark.parametrize(("fraction", "text"), [(0.99273, "99.27 %"), (1.0, "100.00 %"), (None, "-"), (math.nan, "-")])
def test_a_fraction_reads_as_a_percentage(fraction: float | None, text: str) -> None:
    assert percent(fraction) == text


def test_a_noun_is_in_the_plural_unless_there_is_one() -> None:
    assert [count(number, "trial") for number in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


def test_once_and_twice_are_words() -> None:
    words = [scored(times).removesuffix(" by this run") for times in (1, 2, 3, None)]
    assert words == ["scored once", "scored twice", "scored 3 times", "scored at least once"]


def test_ten_numbers_are_listed_and_the_rest_is_counted() -> None:
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


def test_a_value_has_few_digits_unless_it_is_a_whole_number_or_a_word() -> None:
    assert [format_value(value) for value in (0.123456, 123456, "late")] == ["0.1235", "123456", "late"]
    assert format_value(0.123456, digits=2) == "0.12"
