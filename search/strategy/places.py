"""Points of the space as places in the unit cube, a number in [0, 1] for each field, and points near others."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from search.space import Range, nearest

SPREAD = 0.15  # standard deviation of a point near another one, as a share of each range
KEPT = 0.75  # share of the choices that it keeps
Searched = dict[str, BaseDistribution]
Key = tuple[float | None, ...]  # what tells a point from all others, whatever its choices are


def check_choices(searched: Searched) -> None:
    """Raise ValueError for choices that Optuna stores as the same one: those that are equal in Python."""
    for name, distribution in searched.items():
        choices = getattr(distribution, "choices", ())
        if len({_stored(distribution, choice) for choice in choices}) < len(choices):
            raise ValueError(
                f"{name}: {list(choices)} has choices that are equal in Python, which Optuna stores as the first of "
                "them; write them as different words"
            )


def key_of(searched: Searched, params: dict[str, Any]) -> Key:
    """Return what tells a point from the others: its values as Optuna stores them; None for one outside the space."""
    return tuple(
        _stored(distribution, params[name]) if name in params else None for name, distribution in searched.items()
    )


def is_among(searched: Searched, earlier: list[dict[str, Any]], params: dict[str, Any]) -> bool:
    """Return whether a point is among `earlier` ones, field by field: after the first few are left to compare."""
    for name, distribution in searched.items():
        value = _stored(distribution, params[name])
        earlier = [other for other in earlier if name in other and _stored(distribution, other[name]) == value]
    return bool(earlier)


def _stored(distribution: BaseDistribution, value: Any) -> float | None:
    """Return a value as Optuna stores it: a number, or the place of a choice, which need not be hashable."""
    try:
        return float(distribution.to_internal_repr(value))
    except ValueError:
        return None


def point_at(searched: Searched, place: Sequence[float]) -> dict[str, Any]:
    """Return the point of the space at `place`, a number in [0, 1] for each searched field."""
    return {name: _value_at(searched[name], float(share)) for name, share in zip(searched, place, strict=True)}


def near(centre: dict[str, Any], searched: Searched, random: np.random.Generator) -> dict[str, Any]:
    """Return a random point near `centre`; a field that `centre` does not name is drawn from all its room.

    Each number moves by a normal deviate, of logarithms where the range has them, and is reflected at the ends of its
    range; each choice is kept, or drawn again. It is the draw of PriorBand (Mallik et al. 2023, arXiv:2306.12370).
    """
    point = point_at(searched, random.random(len(searched)).tolist())
    for name in [name for name in searched if name in centre]:
        distribution, value = searched[name], centre[name]
        if isinstance(distribution, Range):
            share = (place_of(distribution, value) + random.normal(0, SPREAD)) % 2
            point[name] = _value_at(distribution, min(share, 2 - share))
        elif random.random() < KEPT:
            point[name] = value
    return point


def place_of(distribution: Range, value: float) -> float:
    """Return the place of a value in the room of a range, a number in [0, 1]; the inverse of `point_at`."""
    low, high = _room(distribution)
    if low == high:
        return 0.5
    if distribution.log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _value_at(distribution: BaseDistribution, share: float) -> Any:
    """Return the value of `distribution` that lies at `share`, a number in [0, 1], of its room."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(share * len(distribution.choices)), len(distribution.choices) - 1)]
    assert isinstance(distribution, Range)
    low, high = _room(distribution)
    if distribution.log:
        return nearest(distribution, math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
    return nearest(distribution, low + share * (high - low))


def _room(distribution: Range) -> tuple[float, float]:
    """Return the ends of a range's room: each value of a range with steps has half a step of it on either side."""
    half = (distribution.step or 0) / 2
    return distribution.low - half, distribution.high + half
