"""The space: `[hyperparameters]` of a configuration to fixed values and Optuna distributions."""

import itertools
import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from model.errors import ConfigError, shown
from model.hyperparameters import RECIPE, Hyperparameters

FIELDS = Hyperparameters.model_fields
RANGE_KEYS = ["low", "high", "log", "step"]
GRID_LIMIT = 10_000
MOST_STEPS = 2**53  # beyond which floats can't count


@dataclass(frozen=True)
class Space:
    """What all trials share, and what each draws."""

    fixed: dict[str, Any]
    searched: dict[str, BaseDistribution]


def parse_space(table: dict[str, Any]) -> Space:
    """The shape of a value decides: a scalar is fixed, a list is a choice, a table {low, high, log, step} a range."""
    fixed: dict[str, Any] = {}
    searched: dict[str, BaseDistribution] = {}
    for name, value in table.items():
        if name not in FIELDS:
            raise _error(name, value, "no such hyperparameter", did_you_mean(name, list(FIELDS)))
        if name == "optimizer" and isinstance(value, list | dict):
            rule = "the optimizer is fixed within one experiment"
            raise _error(name, value, rule, "a learning rate means other things to each; write one file per optimizer")
        if isinstance(value, dict):
            searched[name] = _range(name, value)
        elif isinstance(value, list):
            searched[name] = _choice(name, value)
        else:
            fixed[name] = _checked(name, value)
    _refuse_idle(fixed, searched)
    return Space({**RECIPE.model_dump(exclude=set(searched)), **fixed}, searched)


def complete(space: Space, params: dict[str, Any]) -> Hyperparameters:
    """The full record of a trial that drew `params`."""
    return Hyperparameters(**{**space.fixed, **params})


def recipe_point(space: Space, named: dict[str, Any] | None = None) -> dict[str, Any]:
    """A listed point: what `named` says, and for the rest the article's recipe, or the nearest the space holds."""
    recipe = RECIPE.model_dump()
    point = {name: nearest(distribution, recipe[name]) for name, distribution in space.searched.items()}
    for name, value in (named or {}).items():
        if name not in space.searched:
            remedy = "only searched fields may be named; " + did_you_mean(name, list(space.searched))
            raise ConfigError(f"points: {name} = {shown(value)}: not a searched hyperparameter; {remedy}")
        point[name] = nearest(space.searched[name], value)
        if isinstance(value, bool) or point[name] != value:
            rule = f"outside the space, which holds {_words(space.searched[name])}"
            raise ConfigError(f"points: {name} = {shown(value)}: {rule}; widen it or move the point")
    return point


def recipe_differences(space: Space) -> dict[str, tuple[Any, Any]]:
    """Where the space's nearest point to the article's recipe is not the recipe: name -> (recipe's, nearest)."""
    nearest_point = complete(space, recipe_point(space)).model_dump()
    recipe = RECIPE.model_dump()
    return {name: (recipe[name], value) for name, value in nearest_point.items() if value != recipe[name]}


def nearest(distribution: BaseDistribution, value: Any) -> Any:
    """The value of `distribution` closest to `value` (for a choice without order, its first)."""
    if isinstance(distribution, CategoricalDistribution):
        if value in distribution.choices:
            return value
        if all(isinstance(choice, int | float) for choice in distribution.choices) and _is_number(value):
            return min(distribution.choices, key=lambda choice: abs(float(choice or 0) - value))
        return distribution.choices[0]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if not _is_number(value):
        return distribution.low
    value = min(max(value, distribution.low), distribution.high)
    if distribution.step:
        steps = round((value - distribution.low) / distribution.step)
        # Rounded so that 0.1 + 2 * 0.1 is the 0.3 that a person writes.
        value = round(distribution.low + steps * distribution.step, 12)
    return int(value) if isinstance(distribution, IntDistribution) else float(value)


def largest(space: Space) -> Hyperparameters:
    """The point that needs the most memory: widest layers, largest batch, late pooling, smallest kernel."""
    chosen: dict[str, Any] = {}
    for name, distribution in space.searched.items():
        if isinstance(distribution, CategoricalDistribution):
            # "late" sorts after "early": the layout that keeps more pixels is the maximum too.
            pick: Any = min if name == "kernel_size" else max
            chosen[name] = pick(distribution.choices)
        else:
            assert isinstance(distribution, IntDistribution | FloatDistribution)
            chosen[name] = distribution.high
    return complete(space, chosen)


def size(space: Space) -> float:
    """How many different points there are; inf for a continuous space."""
    return math.prod(_size(distribution) for distribution in space.searched.values())


def grid(searched: dict[str, BaseDistribution]) -> list[dict[str, Any]]:
    """All points of a small space, in order; none of a large one or one with a continuous range."""
    if size(Space({}, searched)) > GRID_LIMIT:
        return []
    values = [_values(distribution) for distribution in searched.values()]
    return [dict(zip(searched, point, strict=True)) for point in itertools.product(*values)]


def _values(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    step = distribution.step or 1
    return [nearest(distribution, distribution.low + index * step) for index in range(int(_size(distribution)))]


def _size(distribution: BaseDistribution) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.step:
        return round((distribution.high - distribution.low) / distribution.step) + 1
    return math.inf


def _range(name: str, table: dict[str, Any]) -> BaseDistribution:
    for key in table:
        if key not in RANGE_KEYS:
            raise _error(f"{name}.{key}", table[key], "no such key of a range", did_you_mean(key, RANGE_KEYS))
    if missing := [key for key in ("low", "high") if key not in table]:
        raise _error(name, table, f"a range needs low and high, {missing[0]} is missing", "add it")
    kind = FIELDS[name].annotation
    if kind not in (int, float):
        raise _error(name, table, "this field is a choice, not a range", f"list the values, as {name} = [...]")
    low, high = _checked(f"{name}.low", table["low"]), _checked(f"{name}.high", table["high"])
    log, step = table.get("log", False), table.get("step")
    if not isinstance(log, bool):
        raise _error(f"{name}.log", log, "must be true or false", "write log = true")
    if low >= high:
        raise _error(name, table, f"low {low} must be below high {high}", "swap them, or fix the value")
    if log and low <= 0:
        raise _error(f"{name}.low", low, "a logarithmic range starts above 0", "raise low or drop log")
    if log and step is not None:
        raise _error(name, table, "log and step exclude each other", "drop one")
    if step is not None:
        _check_step(name, kind, low, high, step)
    if kind is int:
        return IntDistribution(low, high, log=log, step=1 if step is None else step)
    return FloatDistribution(float(low), float(high), log=log, step=None if step is None else float(step))


def _check_step(name: str, kind: object, low: float, high: float, step: Any) -> None:
    if not _is_number(step) or not 0 < step <= high - low or (kind is int and not isinstance(step, int)):
        number = "a whole number" if kind is int else "a number"
        raise _error(f"{name}.step", step, f"must be {number} above 0 and at most high - low", "change or drop it")
    if (high - low) / step > MOST_STEPS:
        raise _error(f"{name}.step", step, "is too small to count the steps", "drop it")
    steps = (high - low) / step
    if abs(steps - round(steps)) > 1e-9:
        last = round(low + math.floor(steps) * step, 12)
        rule = f"steps of {step} from {low} never reach high = {high}"
        raise _error(f"{name}.step", step, rule, f"use high = {last} or a step that divides {high - low:g}")


def _choice(name: str, values: list[Any]) -> CategoricalDistribution:
    if len(values) < 2:
        raise _error(name, values, "a choice needs two values or more", f"write a single value as {name} = VALUE")
    checked = [_checked(name, value) for value in values]
    seen = set()
    for value in checked:
        if value in seen:
            raise _error(name, values, f"{value!r} stands there twice", "keep one")
        seen.add(value)
    return CategoricalDistribution(checked)


def _checked(name: str, value: Any) -> Any:
    """`value` if the field allows it, with whole numbers made floats where the field is one."""
    field = name.partition(".")[0]
    try:
        return getattr(Hyperparameters(**{field: value}), field)
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Input ")
        remedy = f"choose one of {list(_literals(field))}" if _literals(field) else _bounds(field)
        raise _error(name, value, rule[0].lower() + rule[1:], remedy) from error


def _refuse_idle(fixed: dict[str, Any], searched: dict[str, BaseDistribution]) -> None:
    """A searched field that can't change anything only dilutes the search."""
    optimizer = fixed.get("optimizer", RECIPE.optimizer)
    if "momentum" in searched and optimizer != "sgd":
        raise _error("momentum", "searched", f"has no effect with optimizer = {optimizer!r}", "drop it or use sgd")
    schedule = fixed.get("schedule", RECIPE.schedule)
    if "gamma" in searched and "schedule" not in searched and schedule != "step":
        raise _error("gamma", "searched", f"has no effect with schedule = {schedule!r}", "drop it or use 'step'")


def _error(key: str, value: Any, rule: str, remedy: str) -> ConfigError:
    return ConfigError(f"hyperparameters.{key} = {shown(value)}: {rule}; {remedy}")


def did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known)) or 'none'}"


def _literals(field: str) -> tuple[Any, ...]:
    return tuple(getattr(FIELDS[field].annotation, "__args__", ()))


def _bounds(field: str) -> str:
    symbols = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{symbol} {getattr(constraint, key)}"
        for constraint in FIELDS[field].metadata
        for key, symbol in symbols.items()
        if hasattr(constraint, key)
    ]
    kind = "a whole number" if FIELDS[field].annotation is int else "a number"
    return f"use {kind} {' and '.join(bounds)}"


def _words(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return str(list(distribution.choices))
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    step = f" in steps of {distribution.step}" if distribution.step and distribution.step != 1 else ""
    return f"{distribution.low} to {distribution.high}{step}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63  # so neither is nan
