"""How what is wrong with a space is said: key, value, rule and remedy in one line."""

from difflib import get_close_matches
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from model.errors import ConfigError, shown

Range = IntDistribution | FloatDistribution
WITHIN = "hyperparameters."  # begins the keys of [hyperparameters] in messages


def mistake(key: str, value: Any, rule: str, remedy: str, within: str = WITHIN) -> ConfigError:
    """Return the error on the value of a key."""
    return ConfigError(f"{within}{key} = {shown(value)}: {rule}; {remedy}")


def did_you_mean(name: str, known: list[str]) -> str:
    """Return the remedy for an unknown name: the known one most like it, or all known ones."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known)) or 'none'}"


def words(distribution: BaseDistribution) -> str:
    """Return what a distribution holds, in words."""
    if not isinstance(distribution, Range):
        return str(list(getattr(distribution, "choices", ())))
    step = f" in steps of {distribution.step}" if distribution.step and distribution.step != 1 else ""
    return f"{distribution.low} to {distribution.high}{step}"
