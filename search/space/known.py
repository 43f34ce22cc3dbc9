"""Points that are known before a search: the article's recipe, priors, and what a person lists."""

import math
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from model.errors import ConfigError, shown
from model.hyperparameters import RECIPE
from search.space.messages import Range, mistake, words
from search.space.names import did_you_mean
from search.space.networks import fitted
from search.space.points import Space, complete, fits, nearest


def guesses(space: Space) -> dict[str, Any]:
    """Return good values that are known before a search: the prior of a range, else the recipe's where it is held.

    A learning rate means other things to each optimizer, so the recipe's is no guess for another one than its own.
    """
    found = {}
    for name, distribution in space.searched.items():
        value = getattr(RECIPE, name)
        if nearest(distribution, value) == value and not (name == "learning_rate" and _other_optimizer(space)):
            found[name] = value
    return {**found, **space.priors}


def recipe_point(space: Space, named: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a point to try: the values in `named`, which must lie in the space; else those nearest to the recipe.

    The prior of a range takes the place of the recipe, and the middle of a range that of the learning rate of another
    optimizer.
    """
    point = {name: nearest(distribution, getattr(RECIPE, name)) for name, distribution in space.searched.items()}
    if "learning_rate" in point and _other_optimizer(space):
        point["learning_rate"] = _middle(space.searched["learning_rate"])
    point = fitted(space, {**point, **guesses(space)})
    for name, value in (named or {}).items():
        if name not in space.searched:
            remedy = "only searched fields may be named; " + did_you_mean(name, list(space.searched))
            raise mistake(name, value, "not a searched hyperparameter", remedy, "points: ")
        point[name] = nearest(space.searched[name], value)
        if point[name] != value or isinstance(point[name], bool) != isinstance(value, bool):  # True is 1 in Python
            rule = f"outside the space, which holds {words(space.searched[name])}"
            raise mistake(name, value, rule, "widen it or move the point", "points: ")
    if not fits(space, point):
        has = f"its network has {complete(space, point).num_parameters:,} parameters"
        limit = f"constraints.max_parameters is {space.max_parameters:,}"
        raise ConfigError(f"points: {shown(named)}: {has}, {limit}; raise that or name a smaller network")
    return point


def recipe_differences(space: Space) -> dict[str, tuple[Any, Any]]:
    """Return each field in which the space misses the article's recipe, as name -> (recipe's value, nearest value)."""
    closest = complete(space, recipe_point(space)).model_dump()
    return {name: (value, closest[name]) for name, value in RECIPE.model_dump().items() if closest[name] != value}


def _other_optimizer(space: Space) -> bool:
    """Return whether the networks are trained by another optimizer than the recipe's."""
    return bool(space.fixed["optimizer"] != RECIPE.optimizer)


def _middle(distribution: BaseDistribution) -> Any:
    """Return the value in the middle of a range, of its logarithms if they count; of choices, the one in the middle."""
    if isinstance(distribution, Range):
        low, high = distribution.low, distribution.high
        return nearest(distribution, math.sqrt(low * high) if distribution.log else (low + high) / 2)
    assert isinstance(distribution, CategoricalDistribution)
    return distribution.choices[len(distribution.choices) // 2]
