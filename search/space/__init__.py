"""The search space: the searched fields as Optuna distributions, its points, and how both are read and told."""

from search.space.known import guesses, recipe_differences, recipe_point
from search.space.learning_rates import USUAL, left_at_default, unusual
from search.space.messages import Range
from search.space.names import did_you_mean, initials
from search.space.networks import fitted, largest, smallest
from search.space.parsing import fixed_values, parse_space
from search.space.points import Space, complete, fits, grid, nearest, size
from search.space.widening import new_ends, widened

__all__ = [
    "USUAL",
    "Range",
    "Space",
    "complete",
    "did_you_mean",
    "fits",
    "fitted",
    "fixed_values",
    "grid",
    "guesses",
    "initials",
    "largest",
    "left_at_default",
    "nearest",
    "new_ends",
    "parse_space",
    "recipe_differences",
    "recipe_point",
    "size",
    "smallest",
    "unusual",
    "widened",
]
