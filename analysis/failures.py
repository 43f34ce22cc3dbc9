"""Which hyperparameters set the failed trials of one cause apart from all other trials."""

import math

import pandas as pd

from analysis.summary import format_value
from model.hyperparameters import Hyperparameters

MOST = 3  # fields that are named
CHANCE = 0.05  # above that, any trials picked blindly might stand apart as well


def set_apart(group: pd.DataFrame, others: pd.DataFrame) -> list[str]:
    """What all trials of `group` share and none of `others` has, as "kernel_size = 7" or "dropout1 from 0.5 to 0.7".

    The most telling first: those that are least likely for as many trials picked blindly out of both tables.
    Nothing for a single trial, which differs from all others in any case.
    """
    told = []
    if len(group) < 2:
        return []
    for name in Hyperparameters.model_fields:
        inside, outside = group[name], others[name].dropna()
        if inside.isna().any() or not _is_apart(inside, outside):
            continue
        chance = _chance(pd.concat([inside, outside]), len(inside))
        if chance <= CHANCE:
            low, high = (format_value(end) for end in (inside.min(), inside.max()))
            told.append((chance, f"{name} = {low}" if low == high else f"{name} from {low} to {high}"))
    return [said for _, said in sorted(told, key=lambda pair: pair[0])[:MOST]]


def _is_apart(inside: pd.Series, outside: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(inside):
        return not outside.between(inside.min(), inside.max()).any()
    return inside.nunique() == 1 and not outside.isin(inside).any()


def _chance(values: pd.Series, picked: int) -> float:
    """How likely `picked` of these values, picked blindly, have a value or an interval to themselves."""
    counts = values.value_counts().sort_index()
    ways = int((counts == picked).sum())
    if pd.api.types.is_numeric_dtype(values):
        before = {0, *counts.cumsum()}
        ways = len({smaller + picked for smaller in before} & before)
    return ways / math.comb(len(values), picked)
