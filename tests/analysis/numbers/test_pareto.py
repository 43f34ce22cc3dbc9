"""The Pareto front holds every trial that none dominates, and no other, against a check of each with each."""

import random

import pandas as pd
import pytest

from analysis.numbers.pareto import COSTS, costs_of, front
from analysis.tables import TRIAL_COLUMNS


def table(*rows: tuple[float | None, float], state: str = "complete") -> pd.DataFrame:
    """Trials with these milliseconds per image and accuracies; each has as many parameters as its number."""
    costs, accuracies = zip(*rows, strict=True) if rows else ((), ())
    trials = pd.DataFrame({"number": range(len(rows)), "state": state, "val_accuracy": accuracies})
    return trials.assign(
        milliseconds_per_image=pd.Series(costs, dtype="float64"), num_parameters=pd.Series(trials.number, dtype="Int64")
    ).astype({"val_accuracy": "float64"})


def numbers(trials: pd.DataFrame) -> list[int]:
    return front(trials, "milliseconds_per_image").number.tolist()


def test_the_cheapest_comes_first_and_each_step_says_what_it_buys() -> None:
    found = front(table((3.0, 0.99), (1.0, 0.96), (2.0, 0.95), (2.5, 0.98)), "milliseconds_per_image")
    assert list(found.columns) == ["number", "milliseconds_per_image", "val_accuracy", "gain"]
    assert found.number.tolist() == [1, 3, 0]
    assert found.milliseconds_per_image.tolist() == [1.0, 2.5, 3.0]
    assert found.gain.tolist()[1:] == pytest.approx([0.02, 0.01])
    assert pd.isna(found.gain[0])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(1.0, 0.9), (1.0, 0.95)], [1]),  # of equal cost only the more accurate
        ([(2.0, 0.9), (1.0, 0.9)], [1]),  # of equal accuracy only the cheaper
        ([(1.0, 0.9), (1.0, 0.9)], [0]),  # of equals the lower number
        ([(2.0, 0.8), (1.0, 0.9), (1.0, 0.9), (2.0, 0.95), (2.0, 0.95)], [1, 3]),
        ([(None, 0.99), (1.0, 0.9)], [1]),  # of unknown cost
        ([], []),
    ],
)
def test_ties(rows: list[tuple[float | None, float]], expected: list[int]) -> None:
    assert numbers(table(*rows)) == expected
    assert numbers(table(*rows).iloc[::-1]) == expected


def test_only_complete_trials_count() -> None:
    stopped = table((0.5, 0.999), state="pruned").assign(number=7)
    assert numbers(pd.concat([table((1.0, 0.9)), stopped])) == [0]


def test_it_is_what_a_check_of_each_with_each_finds() -> None:
    dice = random.Random(0)
    for _ in range(30):
        rows = [(float(dice.randrange(6)), dice.randrange(6) / 10) for _ in range(12)]
        undominated = {
            (cost, accuracy)
            for cost, accuracy in rows
            if not any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in rows)
        }
        found = front(table(*rows), "milliseconds_per_image")
        assert list(zip(found.milliseconds_per_image, found.val_accuracy, strict=True)) == sorted(undominated)
        assert found.number.tolist() == [rows.index(point) for point in sorted(undominated)]


def test_networks_of_one_size_have_no_front_and_older_runs_none_of_latency() -> None:
    several = table((1.0, 0.9), (2.0, 0.95))
    assert costs_of(several) == list(COSTS)
    assert costs_of(several.assign(num_parameters=5)) == []
    assert costs_of(several.assign(milliseconds_per_image=float("nan"))) == ["num_parameters"]
    assert costs_of(table()) == []
    assert set(COSTS) <= set(TRIAL_COLUMNS)
