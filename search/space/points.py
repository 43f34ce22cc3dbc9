"""The space and its points: all hyperparameters of one, how many there are, the nearest to a value."""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from model.hyperparameters import Hyperparameters
from search.space.messages import Range

GRID_LIMIT = 10_000


@dataclass(frozen=True)
class Space:
    """The values that all trials share, the distributions from which each trial draws, and guesses at best values.

    `max_parameters` is the number of parameters that a network may have; points with more do not belong to the space.
    """

    fixed: dict[str, Any]
    searched: dict[str, BaseDistribution]
    priors: dict[str, Any] = field(default_factory=dict)
    max_parameters: int | None = None


def complete(space: Space, params: dict[str, Any]) -> Hyperparameters:
    """Return all hyperparameters of a trial that drew `params`."""
    return Hyperparameters(**{**space.fixed, **params})


def nearest(distribution: BaseDistribution, value: Any) -> Any:
    """Return the value of `distribution` that is closest to `value`; of choices without an order, the first."""
    if isinstance(distribution, CategoricalDistribution):
        if value in distribution.choices:
            return distribution.choices[distribution.choices.index(value)]
        if all(isinstance(choice, int | float) for choice in distribution.choices) and is_number(value):
            return min(distribution.choices, key=lambda choice: abs(float(choice or 0) - value))
        return distribution.choices[0]
    assert isinstance(distribution, Range)
    if not is_number(value):
        return distribution.low
    value = min(max(value, distribution.low), distribution.high)
    if distribution.step:
        steps = round((value - distribution.low) / distribution.step)
        # Rounded so that 0.1 + 2 * 0.1 is the 0.3 that a person writes.
        value = round(distribution.low + steps * distribution.step, 12)
    return int(value) if isinstance(distribution, IntDistribution) else float(value)


def fits(space: Space, params: dict[str, Any]) -> bool:
    """Return whether the network of a trial that drew `params` has no more parameters than the space allows."""
    return space.max_parameters is None or complete(space, params).num_parameters <= space.max_parameters


def size(space: Space) -> float:
    """Return the number of different points in the space; inf for a continuous one.

    Of a large space those with too many parameters are counted too.
    """
    points = math.prod(_size(distribution) for distribution in space.searched.values())
    if space.max_parameters is None or points > GRID_LIMIT:
        return points
    return sum(fits(space, point) for point in grid(space.searched))


def grid(searched: dict[str, BaseDistribution]) -> list[dict[str, Any]]:
    """Return all points of a small space, in order; an empty list for a large or continuous one."""
    if size(Space({}, searched)) > GRID_LIMIT:
        return []
    values: list[Any] = []
    for distribution in searched.values():
        if isinstance(distribution, Range):
            step, count = distribution.step or 1, int(_size(distribution))
            values.append([nearest(distribution, distribution.low + index * step) for index in range(count)])
        elif isinstance(distribution, CategoricalDistribution):
            values.append(distribution.choices)
    return [dict(zip(searched, point, strict=True)) for point in itertools.product(*values)]


def _size(distribution: BaseDistribution) -> float:
    if isinstance(distribution, Range) and distribution.step:
        return round((distribution.high - distribution.low) / distribution.step) + 1
    return len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else math.inf


def is_number(value: Any) -> bool:
    """Return whether a value is a number, True and False not counted."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63  # so neither is nan
