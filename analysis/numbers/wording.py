"""How numbers and lists read in the sentences, tables and figures of a report."""

import math
from collections.abc import Sequence
from typing import Any

MOST_LISTED = 10  # numbers that a sentence lists one by one


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage with two decimals; "-" for None and NaN."""
    return "-" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"


def count(number: int, noun: str) -> str:
    """Return `number` and `noun`, in the plural unless the number is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def scored(times: int | None) -> str:
    """Return how often a run has scored the test images; None where its export does not say."""
    if times is None:
        return "scored at least once by this run"
    return f"scored {({1: 'once', 2: 'twice'}).get(times, f'{times} times')} by this run"


def points(fraction: float) -> str:
    """Return a difference of accuracies in percentage points, with its sign."""
    return f"{100 * fraction:+.2f}"


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would use."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def recipe_name(differences: dict[str, Any] | None) -> str:
    """Return what the recipe is called that is the article's but for `differences`."""
    words = ", ".join(f"{name} = {format_value(value)}" for name, value in (differences or {}).items())
    return "the article's recipe" + (f" with {words}" if words else "")


def listed(numbers: Sequence[int]) -> str:
    """Return `numbers` joined by commas, with the rest counted where there are many."""
    shown = ", ".join(str(number) for number in numbers[:MOST_LISTED])
    rest = len(numbers) - MOST_LISTED
    return f"{shown} and {rest} more" if rest > 0 else shown


def listed_words(words: Sequence[str]) -> str:
    """Return `words` joined by commas and an "and"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def format_value(value: Any, digits: int = 4) -> str:
    """Return the value of a hyperparameter as text, a float with at most `digits` significant digits."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
