"""`[hyperparameters]` of a configuration read as a space: a scalar is fixed, a list a choice, a table a range."""

import math
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from model.hyperparameters import RECIPE, Hyperparameters, allowed, role
from search.space.messages import WITHIN, mistake, words
from search.space.names import did_you_mean
from search.space.points import Space, is_number, nearest

FIELDS = Hyperparameters.model_fields
RANGE_KEYS = ["low", "high", "log", "step", "prior"]
MOST_STEPS = 2**53  # floats can't count further


def parse_space(table: dict[str, Any], max_parameters: int | None = None) -> Space:
    """Return the space that `[hyperparameters]` describes: a scalar is fixed, a list a choice, a table a range."""
    fixed: dict[str, Any] = {}
    searched: dict[str, BaseDistribution] = {}
    priors: dict[str, Any] = {}
    for name, value in table.items():
        _check_known(name, value, WITHIN)
        if name == "optimizer" and isinstance(value, list | dict):
            rule = "the optimizer is fixed within one experiment"
            raise mistake(name, value, rule, "a learning rate means other things to each; write one file per optimizer")
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


def _range(name: str, table: dict[str, Any]) -> BaseDistribution:
    for key in table:
        if key not in RANGE_KEYS:
            raise mistake(f"{name}.{key}", table[key], "no such key of a range", did_you_mean(key, RANGE_KEYS))
    for key in ("low", "high"):
        if key not in table:
            raise mistake(name, table, f"a range needs low and high, {key} is missing", "add it")
    kind = FIELDS[name].annotation
    if kind not in (int, float):
        raise mistake(name, table, "this field is a choice, not a range", f"list the values, as {name} = [...]")
    low, high = _checked(f"{name}.low", table["low"]), _checked(f"{name}.high", table["high"])
    log, step = table.get("log", False), table.get("step")
    if not isinstance(log, bool):
        raise mistake(f"{name}.log", log, "must be true or false", "write log = true")
    if low == high:
        raise mistake(name, table, "low and high are the same", f"write {name} = {low}")
    if step is not None:
        _check_step(name, low, high, step)
    try:
        if kind is int:
            return IntDistribution(low, high, log=log, step=1 if step is None else step)
        return FloatDistribution(low, high, log=log, step=step)
    except ValueError as error:  # Optuna says which rule the range breaks, with which values
        raise mistake(name, table, str(error).rstrip("."), "correct the range (docs/configuration.md)") from None


def _prior(name: str, distribution: BaseDistribution, value: Any) -> Any:
    """Return the prior of a range, which must hold it."""
    checked = _checked(f"{name}.prior", value)
    if nearest(distribution, checked) != checked:
        rule = f"outside the range, which holds {words(distribution)}"
        raise mistake(f"{name}.prior", value, rule, "widen it or move the prior")
    return checked


def _check_step(name: str, low: float, high: float, step: Any) -> None:
    """Refuse a step that Optuna would take: no number, too small to count, or one that never reaches `high`."""
    key, whole = f"{name}.step", FIELDS[name].annotation is int
    if not is_number(step) or (whole and not isinstance(step, int)):
        raise mistake(key, step, f"must be a {'whole ' if whole else ''}number above 0, up to high - low", "change it")
    if step <= 0 or low > high:  # Optuna refuses these itself
        return
    steps = (high - low) / step
    if steps > MOST_STEPS:
        raise mistake(key, step, "is too small to count the steps", "drop it")
    reached = max(1, math.floor(steps + 1e-9))
    if abs(steps - reached) > 1e-9:
        rule, last = f"steps of {step} from {low} never reach high = {high}", round(low + reached * step, 12)
        raise mistake(key, step, rule, f"use high = {last} or a step that divides {high - low:g}")


def _choice(name: str, values: list[Any]) -> CategoricalDistribution:
    if len(values) < 2:
        raise mistake(name, values, "a choice needs two values or more", f"write a single value as {name} = VALUE")
    checked = [_checked(name, value) for value in values]
    seen = set()
    for value in checked:
        if value in seen:
            raise mistake(name, values, f"duplicate choice {value!r}", "remove it")
        seen.add(value)
    return CategoricalDistribution(checked)


def _check_known(name: str, value: Any, within: str) -> None:
    if name not in FIELDS:
        raise mistake(name, value, "no such hyperparameter", did_you_mean(name, list(FIELDS)), within)


def _checked(name: str, value: Any, within: str = WITHIN) -> Any:
    """Return `value` if the field of that name allows it; a whole number becomes a float where the field is one."""
    field = name.partition(".")[0]
    try:
        return getattr(Hyperparameters(**{field: value}), field)
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Input ")
        raise mistake(name, value, rule[0].lower() + rule[1:], f"use {allowed(FIELDS[field])}", within) from error


def _refuse_idle(fixed: dict[str, Any], searched: dict[str, BaseDistribution]) -> None:
    """Refuse a searched field that has no effect: it would only dilute the search."""
    for name in searched:
        other, needed = role(FIELDS[name]).only_with or ("", "")
        value = fixed.get(other, getattr(RECIPE, other, ""))
        if other not in searched and value != needed:
            raise mistake(name, "searched", f"has no effect with {other} = {value!r}", f"drop it or use {needed!r}")
