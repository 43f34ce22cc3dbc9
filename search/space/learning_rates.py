"""Which learning rates suit an optimizer, and whether a search trains with others."""

from typing import Any

from model.hyperparameters import RECIPE
from search.space.messages import Range
from search.space.points import Space

# Between these the article's network learns in two epochs, with and without batch norm (docs/configuration.md).
USUAL = {"adadelta": (0.1, 3.0), "adamw": (1e-4, 1e-2), "sgd": (1e-3, 1e-1)}


def left_at_default(values: dict[str, Any], within: str) -> str | None:
    """Return a warning if `values` have another optimizer than the recipe's, with the recipe's learning rate.

    `within` begins the keys of `values` in messages. A learning rate that is not among `values` is searched.
    """
    optimizer = values["optimizer"]
    if optimizer == RECIPE.optimizer or values.get("learning_rate") != RECIPE.learning_rate:
        return None
    rule = f"the default, which suits {RECIPE.optimizer}; {_usual(optimizer)}"
    low, high = USUAL[optimizer]
    remedy = f"learning_rate = {{ low = {low:g}, high = {high:g}, log = true }}"
    return f"{within}learning_rate = {RECIPE.learning_rate:g} is {rule}: set one, or search {remedy}"


def unusual(space: Space) -> str | None:
    """Return what is unusual about the learning rates of a space; None where some are usual for its optimizer."""
    optimizer = space.fixed["optimizer"]
    low, high = _span(space)
    if low <= USUAL[optimizer][1] and high >= USUAL[optimizer][0]:
        return None
    rates = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"learning_rate = {rates} does not suit the optimizer; {_usual(optimizer)}"


def _usual(optimizer: str) -> str:
    low, high = USUAL[optimizer]
    return f'with optimizer = "{optimizer}" it is usually {low:g} to {high:g}'


def _span(space: Space) -> tuple[float, float]:
    """Return the lowest and the highest learning rate of a space."""
    distribution = space.searched.get("learning_rate")
    if isinstance(distribution, Range):
        return distribution.low, distribution.high
    choices = getattr(distribution, "choices", (space.fixed.get("learning_rate"),))
    return min(choices), max(choices)
