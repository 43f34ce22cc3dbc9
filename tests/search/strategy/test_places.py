"""Points as places in the unit cube, and points near another one."""

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from search.space import Range, parse_space
from search.strategy.places import SPREAD, near, place_of, point_at

SEARCHED = parse_space(
    {
        "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
        "dropout1": {"low": 0.0, "high": 0.8},
        "conv1_width": {"low": 8, "high": 32, "step": 8},
        "kernel_size": [3, 5, 7],
    }
).searched


def test_a_place_of_the_unit_cube_is_a_point() -> None:
    assert point_at(SEARCHED, [0.5, 0.25, 0.3, 0.4]) == pytest.approx(
        {"learning_rate": 0.1, "dropout1": 0.2, "conv1_width": 16, "kernel_size": 5}
    )
    first, last = point_at(SEARCHED, [0.0] * 4), point_at(SEARCHED, [1.0] * 4)
    assert first == pytest.approx({"learning_rate": 0.01, "dropout1": 0.0, "conv1_width": 8, "kernel_size": 3})
    assert last == pytest.approx({"learning_rate": 1.0, "dropout1": 0.8, "conv1_width": 32, "kernel_size": 7})


@pytest.mark.parametrize(
    "distribution",
    [FloatDistribution(0.1, 3.0, log=True), FloatDistribution(0.0, 0.5), FloatDistribution(0.0, 0.5, step=0.1)],
)
def test_the_place_of_a_value_leads_back_to_it(distribution: Range) -> None:
    for share in (0.0, 0.31, 0.77, 1.0):
        value = point_at({"x": distribution}, [share])["x"]
        assert point_at({"x": distribution}, [place_of(distribution, value)])["x"] == pytest.approx(value)


@pytest.mark.parametrize("distribution", [IntDistribution(1, 9, log=True), IntDistribution(4, 64, step=20)])
def test_each_whole_number_has_its_room(distribution: Range) -> None:
    shares = np.linspace(0.0005, 0.9995, 1000)
    found = [point_at({"x": distribution}, [share])["x"] for share in shares]
    for value in set(found):
        assert value == point_at({"x": distribution}, [place_of(distribution, value)])["x"]
    if not distribution.log:
        assert {value: found.count(value) for value in found} == {4: 250, 24: 250, 44: 250, 64: 250}


def drawn(centre: dict[str, object], searched: dict[str, BaseDistribution] = SEARCHED) -> list[dict[str, float]]:
    random = np.random.default_rng(0)
    return [near(centre, searched, random) for _ in range(400)]


def test_points_near_another_lie_about_it_in_logarithms_where_a_range_has_them() -> None:
    points = drawn({"learning_rate": 0.1, "dropout1": 0.4, "kernel_size": 7})
    rates = np.log10([point["learning_rate"] for point in points])
    assert rates.mean() == pytest.approx(-1, abs=0.05)
    assert rates.std() == pytest.approx(2 * SPREAD, rel=0.1)
    assert np.std([point["dropout1"] for point in points]) == pytest.approx(0.8 * SPREAD, rel=0.1)
    kept = np.mean([point["kernel_size"] == 7 for point in points])
    assert 0.7 < kept < 0.95
    widths = [point["conv1_width"] for point in points]  # of no known value
    assert all(70 < widths.count(width) < 130 for width in (8, 16, 24, 32))


def test_points_near_the_end_of_a_range_stay_in_it() -> None:
    points = drawn({"learning_rate": 1.0, "dropout1": 0.0})
    assert all(0.01 <= point["learning_rate"] <= 1.0 and 0.0 <= point["dropout1"] <= 0.8 for point in points)
    assert np.median([point["dropout1"] for point in points]) < 0.8 * SPREAD
