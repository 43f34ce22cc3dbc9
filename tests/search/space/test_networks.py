"""The sizes of networks: the smallest of a space, and the nearest one within a limit."""

import pytest

from model.errors import ConfigError
from search.space import (
    complete,
    fits,
    fitted,
    grid,
    parse_space,
    recipe_differences,
    recipe_point,
    size,
    smallest,
)

SIZES = {"conv1_width": {"low": 2, "high": 8, "step": 2}, "conv2_width": [4, 16], "hidden_width": [8, 32]}
SIZES |= {"kernel_size": [3, 5, 7], "pool": ["late", "early"], "batch_norm": [True, False]}


def test_the_smallest_network_is_the_smallest_of_all() -> None:
    space = parse_space({**SIZES, "dropout1": [0.1, 0.2]})
    fewest = min(complete(space, point).num_parameters for point in grid(space.searched))
    assert set(smallest(space)) == set(SIZES)
    assert complete(space, smallest(space)).num_parameters == fewest
    assert smallest(parse_space({"dropout1": [0.1, 0.2]})) == {}


@pytest.mark.parametrize("limit", [750, 1_500, 4_000, 30_000])
def test_a_network_with_too_many_parameters_gives_way_to_one_of_the_space_that_fits(limit: int) -> None:
    space = parse_space(SIZES, max_parameters=limit)
    points = grid(space.searched)
    for point in points:
        found = fitted(space, point)
        assert found in points
        assert complete(space, found).num_parameters <= limit
        assert (found == point) == fits(space, point)
    assert size(space) == sum(fits(space, point) for point in points) < len(points)


def test_a_network_gives_up_no_more_than_it_must() -> None:
    wide = {"low": 1, "high": 1024}
    space = parse_space({"conv1_width": wide, "conv2_width": wide, "hidden_width": wide}, max_parameters=100_000)
    found = fitted(space, {"conv1_width": 100, "conv2_width": 200, "hidden_width": 800})
    assert 70_000 < complete(space, found).num_parameters <= 100_000
    assert found["conv1_width"] < found["conv2_width"] < found["hidden_width"]


def test_the_recipe_gives_way_too_and_a_named_point_is_refused() -> None:
    table = {"conv2_width": {"low": 8, "high": 64}, "dropout1": {"low": 0.0, "high": 0.5}}
    space = parse_space(table, max_parameters=500_000)
    recipe = recipe_point(space)
    assert recipe["conv2_width"] < 64
    assert recipe["dropout1"] == 0.25
    assert complete(space, recipe).num_parameters <= 500_000
    assert recipe_differences(space) == {"conv2_width": (64, recipe["conv2_width"])}
    assert recipe_point(space, {"dropout1": 0.1}) == {**recipe, "dropout1": 0.1}
    with pytest.raises(ConfigError, match=r"1,199,882 parameters, constraints\.max_parameters is 500,000"):
        recipe_point(space, {"conv2_width": 64})
