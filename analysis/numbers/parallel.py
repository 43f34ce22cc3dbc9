"""Where each value lies on an axis of its own, from 0 to 1, on the scale of its search: for parallel coordinates."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis.numbers.wording import format_value

FloatArray = NDArray[np.float64]


def on_axes(trials: pd.DataFrame, searched: dict[str, BaseDistribution]) -> pd.DataFrame:
    """Return the place of each trial's values, a column per searched hyperparameter; NaN where a value is missing."""
    return pd.DataFrame({name: _places(trials[name], of) for name, of in searched.items()}, index=trials.index)


def ticks(distribution: BaseDistribution, most: int = 5) -> list[tuple[float, str]]:
    """Return places and labels for an axis: each choice, or up to `most` values from the low to the high end."""
    if isinstance(distribution, CategoricalDistribution):
        choices = ordered_choices(distribution)
        return [(_middle(place, len(choices)), format_value(choice)) for place, choice in enumerate(choices)]
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    if distribution.log:  # type: ignore[attr-defined]
        values = np.geomspace(low, high, most)
    elif step and (high - low) / step < most:
        values = np.arange(low, high + step / 2, step)
    else:
        values = np.linspace(low, high, most)
    if isinstance(low, int):
        values = np.unique(values.round().astype(int))
    places = _scaled(values.astype(float), distribution)
    return [(float(place), format_value(value, 2)) for place, value in zip(places, values.tolist(), strict=True)]


def joined(distributions: list[BaseDistribution], values: pd.Series) -> BaseDistribution | None:
    """Return a distribution that holds those of several runs and all `values`; None where choices meet ranges."""
    if all(isinstance(each, CategoricalDistribution) for each in distributions):
        choices = dict.fromkeys(choice for each in distributions for choice in ordered_choices(each))  # type: ignore[arg-type]
        return CategoricalDistribution(list(choices))
    if any(isinstance(each, CategoricalDistribution) for each in distributions):
        return None
    first = distributions[0]
    log = all(each.log for each in distributions)  # type: ignore[attr-defined]
    known = [value for value in values.dropna().tolist() if not log or value > 0]
    low = min([each.low for each in distributions] + known)  # type: ignore[attr-defined]
    high = max([each.high for each in distributions] + known)  # type: ignore[attr-defined]
    if (low, high) == (first.low, first.high):  # type: ignore[attr-defined]
        return first
    return type(first)(low, high, log=log)  # type: ignore[call-arg]


def ordered_choices(distribution: CategoricalDistribution) -> list[Any]:
    """Return the choices in their order on an axis: numbers by size, words as the configuration has them."""
    choices: list[Any] = list(distribution.choices)
    return choices if any(isinstance(choice, str) for choice in choices) else sorted(choices, key=float)


def _places(values: pd.Series, distribution: BaseDistribution) -> pd.Series:
    if isinstance(distribution, CategoricalDistribution):
        choices = ordered_choices(distribution)
        places = {choice: _middle(place, len(choices)) for place, choice in enumerate(choices)}
        return values.astype(object).map(places).astype(float)
    return pd.Series(_scaled(values.astype(float).to_numpy(), distribution), values.index)


def _middle(place: int, choices: int) -> float:
    return (place + 0.5) / choices


def _scaled(values: FloatArray, distribution: BaseDistribution) -> FloatArray:
    low, high = float(distribution.low), float(distribution.high)  # type: ignore[attr-defined]
    if not distribution.log:  # type: ignore[attr-defined]
        return np.asarray((values - low) / (high - low))
    # What has no logarithm, such as a weight decay of 0 in another run, lies at the foot.
    above = np.where(values > 0, values, np.where(np.isnan(values), np.nan, low))
    return np.asarray(np.log(above / low) / np.log(high / low))
