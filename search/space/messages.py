"""How what is wrong with a space is said: key, value, rule and remedy in one line."""

from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from model.errors import ConfigError, shown

Range = IntDistribution | FloatDistribution
WITHIN = "hyperparameters."  # begins the keys of [hyperparameters] in messages


def mistake(key: str, value: Any, rule: str, remedy: str, within: str = WITHIN) -> ConfigError:
    """Return the error on the value of a key."""
    return ConfigError(f"{within}{key} = {shown(value)}: {rule}; {remedy}")


def words(distribution: BaseDistribution) -> str:
    """Return what a distribution holds, in words."""
    if not isinstance(distribution, Range):
        return str(list(getattr(distribution, "choices", ())))
    step = f" in steps of {distribution.step}" if distribution.step and distribution.step != 1 else ""
    return f"{distribution.low} to {distribution.high}{step}"
