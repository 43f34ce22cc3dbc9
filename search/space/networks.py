"""The sizes of the networks in a space: the largest, the smallest, and the nearest one within the limit."""

import itertools
from typing import Any

from optuna.distributions import BaseDistribution

from model.hyperparameters import Hyperparameters, role
from search.space.messages import Range
from search.space.points import Space, complete, fits, is_number, nearest

FIELDS = Hyperparameters.model_fields
STEPS = 32  # on the way from a network that has too many parameters to the smallest


def largest(space: Space) -> Hyperparameters:
    """Return the point that needs the most memory, by what each field declares in its role."""
    chosen: dict[str, Any] = {}
    for name, distribution in space.searched.items():
        values: tuple[Any, ...] = getattr(distribution, "choices", ())
        if isinstance(distribution, Range):
            values = (distribution.low, distribution.high)
        most = role(FIELDS[name]).most_memory
        if most in ("largest", "smallest"):
            chosen[name] = max(values) if most == "largest" else min(values)
        else:  # a word, or no value needs more than another
            chosen[name] = most if most in values else values[0]
    return complete(space, chosen)


def smallest(space: Space) -> dict[str, Any]:
    """Return the values, of the searched fields that the number of parameters depends on, which give the fewest."""
    values: dict[str, Any] = {}
    for name, distribution in sorted(space.searched.items()):  # so that the order of keys decides on no tie
        declared = role(FIELDS[name])
        if declared.in_network and declared.most_memory:
            choices: tuple[Any, ...] = getattr(distribution, "choices", ())
            if isinstance(distribution, Range):
                choices = (distribution.low, distribution.high)
            # Where larger values need more memory, they bring more parameters too; of the others each is tried.
            values[name] = [min(choices)] if declared.most_memory == "largest" else choices
    points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    return min(points, key=lambda point: complete(space, point).num_parameters)


def fitted(space: Space, params: dict[str, Any]) -> dict[str, Any]:
    """Return `params` if it fits, else the first point that does on the way to the smallest network.

    On this way the fields that the number of parameters depends on change together, all others stay. What comes out is
    the nearest network of about the same proportions. The smallest network itself must fit.
    """
    if fits(space, params):
        return params
    least = smallest(space)
    for step in range(1, STEPS):
        share = step / STEPS
        nearer = {name: _between(space.searched[name], params[name], least[name], share) for name in least}
        if fits(space, {**params, **nearer}):
            return {**params, **nearer}
    return {**params, **least}


def _between(distribution: BaseDistribution, value: Any, other: Any, share: float) -> Any:
    """Return the value of `distribution` at `share` of the way from `value` to `other`: in ratio, or of words one."""
    if is_number(value):  # a width or the side of the kernel, so above 0
        return nearest(distribution, value * (other / value) ** share)
    return value if share < 0.5 else other
