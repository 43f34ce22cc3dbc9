"""The search space: `[hyperparameters]` of a configuration, as fixed values and Optuna distributions."""

import itertools
import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from model.errors import ConfigError, shown
from model.hyperparameters import RECIPE, Hyperparameters, allowed, role

FIELDS = Hyperparameters.model_fields
Range = IntDistribution | FloatDistribution
RANGE_KEYS = ["low", "high", "log", "step", "prior"]
GRID_LIMIT = 10_000
WITHIN = "hyperparameters."  # begins the keys of [hyperparameters] in messages
MOST_STEPS = 2**53  # floats can't count further
STEPS = 32  # on the way from a network that has too many parameters to the smallest


@dataclass(frozen=True)
class Space:
    """The values that all trials share, the distributions from which each trial draws, and guesses at best values.

    `max_parameters` is the number of parameters that a network may have; points with more do not belong to the space.
    """

    fixed: dict[str, Any]
    searched: dict[str, BaseDistribution]
    priors: dict[str, Any] = field(default_factory=dict)
    max_parameters: int | None = None


def parse_space(table: dict[str, Any], max_parameters: int | None = None) -> Space:
    """Return the space that `[hyperparameters]` describes: a scalar is fixed, a list a choice, a table a range."""
    fixed: dict[str, Any] = {}
    searched: dict[str, BaseDistribution] = {}
    priors: dict[str, Any] = {}
    for name, value in table.items():
        _check_known(name, value, WITHIN)
        if name == "optimizer" and isinstance(value, list | dict):
            rule = "the optimizer is fixed within one experiment"
            raise _error(name, value, rule, "a learning rate means other things to each; write one file per optimizer")
        if isinstance(value, dict):
            searched[name] = _range(name, value)
            if "prior" in value:
                priors[name] = _prior(name, searched[name], value["prior"])
        elif isinstance(value, list):
            searched[name] = _choice(name, value)
        else:
            fixed[name] = _checked(name, value)
    _refuse_idle(fixed, searched)
    return Space({**RECIPE.model_dump(exclude=set(searched)), **fixed}, searched, priors, max_parameters)


def fixed_values(table: dict[str, Any], within: str) -> dict[str, Any]:
    """Return the checked values of hyperparameters in `table`, whose keys begin with `within`. Raises ConfigError."""
    for name, value in table.items():
        _check_known(name, value, within)
    return {name: _checked(name, value, within) for name, value in table.items()}


def complete(space: Space, params: dict[str, Any]) -> Hyperparameters:
    """Return all hyperparameters of a trial that drew `params`."""
    return Hyperparameters(**{**space.fixed, **params})


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
            raise _error(name, value, "not a searched hyperparameter", remedy, "points: ")
        point[name] = nearest(space.searched[name], value)
        if point[name] != value or isinstance(point[name], bool) != isinstance(value, bool):  # True is 1 in Python
            rule = f"outside the space, which holds {_words(space.searched[name])}"
            raise _error(name, value, rule, "widen it or move the point", "points: ")
    if not fits(space, point):
        has = f"its network has {complete(space, point).num_parameters:,} parameters"
        limit = f"constraints.max_parameters is {space.max_parameters:,}"
        raise ConfigError(f"points: {shown(named)}: {has}, {limit}; raise that or name a smaller network")
    return point


def recipe_differences(space: Space) -> dict[str, tuple[Any, Any]]:
    """Return each field in which the space misses the article's recipe, as name -> (recipe's value, nearest value)."""
    closest = complete(space, recipe_point(space)).model_dump()
    return {name: (value, closest[name]) for name, value in RECIPE.model_dump().items() if closest[name] != value}


def nearest(distribution: BaseDistribution, value: Any) -> Any:
    """Return the value of `distribution` that is closest to `value`; of choices without an order, the first."""
    if isinstance(distribution, CategoricalDistribution):
        if value in distribution.choices:
            return distribution.choices[distribution.choices.index(value)]
        if all(isinstance(choice, int | float) for choice in distribution.choices) and _is_number(value):
            return min(distribution.choices, key=lambda choice: abs(float(choice or 0) - value))
        return distribution.choices[0]
    assert isinstance(distribution, Range)
    if not _is_number(value):
        return distribution.low
    value = min(max(value, distribution.low), distribution.high)
    if distribution.step:
        steps = round((value - distribution.low) / distribution.step)
        # Rounded so that 0.1 + 2 * 0.1 is the 0.3 that a person writes.
        value = round(distribution.low + steps * distribution.step, 12)
    return int(value) if isinstance(distribution, IntDistribution) else float(value)


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
    for name, distribution in space.searched.items():
        declared = role(FIELDS[name])
        if declared.in_network and declared.most_memory:
            choices: tuple[Any, ...] = getattr(distribution, "choices", ())
            if isinstance(distribution, Range):
                choices = (distribution.low, distribution.high)
            # Where larger values need more memory, they bring more parameters too; of the others each is tried.
            values[name] = [min(choices)] if declared.most_memory == "largest" else choices
    points = [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
    return min(points, key=lambda point: complete(space, point).num_parameters)


def fits(space: Space, params: dict[str, Any]) -> bool:
    """Return whether the network of a trial that drew `params` has no more parameters than the space allows."""
    return space.max_parameters is None or complete(space, params).num_parameters <= space.max_parameters


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


def widened(old: Space, new: Space) -> list[str]:
    """Return the fields whose range in `new` is wider than in `old` and holds every value of it (of equal priors)."""
    found = []
    for name, before in old.searched.items():
        after = new.searched.get(name)
        if before == after or old.priors.get(name) != new.priors.get(name):
            continue
        if isinstance(before, Range) and isinstance(after, Range) and _holds(after, before):
            found.append(name)
    return found


def _holds(outer: Range, inner: Range) -> bool:
    """Return whether a range holds every value of another one, whose kind it shares."""
    alike = (type(outer), outer.log, outer.step) == (type(inner), inner.log, inner.step)
    wider = outer.low <= inner.low and inner.high <= outer.high
    return alike and wider and nearest(outer, inner.low) == inner.low


def _between(distribution: BaseDistribution, value: Any, other: Any, share: float) -> Any:
    """Return the value of `distribution` at `share` of the way from `value` to `other`: in ratio, or of words one."""
    if _is_number(value):  # a width or the side of the kernel, so above 0
        return nearest(distribution, value * (other / value) ** share)
    return value if share < 0.5 else other


def did_you_mean(name: str, known: list[str]) -> str:
    """Return the remedy for an unknown name: the known one most like it, or all known ones."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known)) or 'none'}"


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


def _size(distribution: BaseDistribution) -> float:
    if isinstance(distribution, Range) and distribution.step:
        return round((distribution.high - distribution.low) / distribution.step) + 1
    return len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else math.inf


def _range(name: str, table: dict[str, Any]) -> BaseDistribution:
    for key in table:
        if key not in RANGE_KEYS:
            raise _error(f"{name}.{key}", table[key], "no such key of a range", did_you_mean(key, RANGE_KEYS))
    for key in ("low", "high"):
        if key not in table:
            raise _error(name, table, f"a range needs low and high, {key} is missing", "add it")
    kind = FIELDS[name].annotation
    if kind not in (int, float):
        raise _error(name, table, "this field is a choice, not a range", f"list the values, as {name} = [...]")
    low, high = _checked(f"{name}.low", table["low"]), _checked(f"{name}.high", table["high"])
    log, step = table.get("log", False), table.get("step")
    if not isinstance(log, bool):
        raise _error(f"{name}.log", log, "must be true or false", "write log = true")
    if low == high:
        raise _error(name, table, "low and high are the same", f"write {name} = {low}")
    if step is not None:
        _check_step(name, low, high, step)
    try:
        if kind is int:
            return IntDistribution(low, high, log=log, step=1 if step is None else step)
        return FloatDistribution(low, high, log=log, step=step)
    except ValueError as error:  # Optuna says which rule the range breaks, with which values
        raise _error(name, table, str(error).rstrip("."), "correct the range (docs/configuration.md)") from None


def _prior(name: str, distribution: BaseDistribution, value: Any) -> Any:
    """Return the prior of a range, which must hold it."""
    checked = _checked(f"{name}.prior", value)
    if nearest(distribution, checked) != checked:
        rule = f"outside the range, which holds {_words(distribution)}"
        raise _error(f"{name}.prior", value, rule, "widen it or move the prior")
    return checked


def _check_step(name: str, low: float, high: float, step: Any) -> None:
    """Refuse a step that Optuna would take: no number, too small to count, or one that never reaches `high`."""
    key, whole = f"{name}.step", FIELDS[name].annotation is int
    if not _is_number(step) or (whole and not isinstance(step, int)):
        raise _error(key, step, f"must be a {'whole ' if whole else ''}number above 0, up to high - low", "change it")
    if step <= 0 or low > high:  # Optuna refuses these itself
        return
    steps = (high - low) / step
    if steps > MOST_STEPS:
        raise _error(key, step, "is too small to count the steps", "drop it")
    reached = max(1, math.floor(steps + 1e-9))
    if abs(steps - reached) > 1e-9:
        rule, last = f"steps of {step} from {low} never reach high = {high}", round(low + reached * step, 12)
        raise _error(key, step, rule, f"use high = {last} or a step that divides {high - low:g}")


def _choice(name: str, values: list[Any]) -> CategoricalDistribution:
    if len(values) < 2:
        raise _error(name, values, "a choice needs two values or more", f"write a single value as {name} = VALUE")
    checked = [_checked(name, value) for value in values]
    seen = set()
    for value in checked:
        if value in seen:
            raise _error(name, values, f"duplicate choice {value!r}", "remove it")
        seen.add(value)
    return CategoricalDistribution(checked)


def _check_known(name: str, value: Any, within: str) -> None:
    if name not in FIELDS:
        raise _error(name, value, "no such hyperparameter", did_you_mean(name, list(FIELDS)), within)


def _checked(name: str, value: Any, within: str = WITHIN) -> Any:
    """Return `value` if the field of that name allows it; a whole number becomes a float where the field is one."""
    field = name.partition(".")[0]
    try:
        return getattr(Hyperparameters(**{field: value}), field)
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Input ")
        raise _error(name, value, rule[0].lower() + rule[1:], f"use {allowed(FIELDS[field])}", within) from error


def _refuse_idle(fixed: dict[str, Any], searched: dict[str, BaseDistribution]) -> None:
    """Refuse a searched field that has no effect: it would only dilute the search."""
    for name in searched:
        other, needed = role(FIELDS[name]).only_with or ("", "")
        value = fixed.get(other, getattr(RECIPE, other, ""))
        if other not in searched and value != needed:
            raise _error(name, "searched", f"has no effect with {other} = {value!r}", f"drop it or use {needed!r}")


def _error(key: str, value: Any, rule: str, remedy: str, within: str = WITHIN) -> ConfigError:
    return ConfigError(f"{within}{key} = {shown(value)}: {rule}; {remedy}")


def _words(distribution: BaseDistribution) -> str:
    if not isinstance(distribution, Range):
        return str(list(getattr(distribution, "choices", ())))
    step = f" in steps of {distribution.step}" if distribution.step and distribution.step != 1 else ""
    return f"{distribution.low} to {distribution.high}{step}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63  # so neither is nan
