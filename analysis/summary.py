"""Numbers from the tables: what led, how each hyperparameter shaped it, and where a range was too narrow."""

import math
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution

from model.hyperparameters import Hyperparameters
from search.space import Space

FEW_VALUES = 6  # up to so many different values each is a group of its own
BINS = 4  # above that, groups of equal size
ENOUGH = 8  # complete trials below which importance and edges would be guesses
CROWD = 0.8  # share of the best trials at one end of a range that makes a hint
OUTER = 0.1  # the share of a range that counts as its end


def finished(trials: pd.DataFrame) -> pd.DataFrame:
    """The complete trials, best first; the lower number first among equals."""
    complete = trials[trials.state == "complete"]
    return complete.sort_values(["val_accuracy", "number"], ascending=[False, True])


def best_so_far(trials: pd.DataFrame, over: str = "number") -> pd.DataFrame:
    """Complete trials in the order of `over` ("number" or "clock"), with `best`: the highest val_accuracy until then.

    Columns: number, `over`, val_accuracy, best.
    """
    complete = trials[trials.state == "complete"].sort_values(over)
    table = complete[list(dict.fromkeys(["number", over, "val_accuracy"]))].reset_index(drop=True)
    return table.assign(best=table.val_accuracy.cummax())


def searched_fields(space: Space) -> list[str]:
    """The hyperparameters that the trials differ in, in the order of the configuration."""
    return list(space.searched)


def is_one_factor(trials: pd.DataFrame, fields: list[str]) -> bool:
    """Whether this is a one-factor-at-a-time study: every trial differs from the first in at most one of `fields`."""
    if len(trials) < 3 or len(fields) < 2:
        return False
    return bool((_differs(trials, fields).sum(axis=1) <= 1).all())


def comparable(trials: pd.DataFrame, field: str, fields: list[str]) -> pd.DataFrame:
    """The trials from which the effect of `field` can be read.

    In a one-factor-at-a-time study those that equal the first trial in all other `fields`; in any other study all.
    """
    if not is_one_factor(trials, fields):
        return trials
    others = [name for name in fields if name != field]
    return trials[~_differs(trials, others).any(axis=1)]


def _differs(trials: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    first = trials.iloc[0]
    return pd.DataFrame({name: (trials[name] != first[name]).fillna(True) for name in fields}, index=trials.index)


def groups(values: pd.Series, distribution: BaseDistribution) -> pd.Series:
    """A label per value, as an ordered category: the value itself where there are few, else the bin it lies in.

    Bins hold about equally many values each and are labelled by the smallest and the largest value in them.
    """
    known = values.dropna()
    if isinstance(distribution, CategoricalDistribution) or known.nunique() <= FEW_VALUES:
        present = _ordered(known, distribution)
        labels = {value: format_value(value) for value in present}
        return _labelled(values.map(labels), list(labels.values()))
    numbers = known.astype(float)
    codes = pd.qcut(numbers, BINS, labels=False, duplicates="drop")
    spans = numbers.groupby(codes).agg(["min", "max"])
    ends = {code: (format_value(low, 3), format_value(high, 3)) for code, (low, high) in spans.iterrows()}
    names = {code: low if low == high else f"{low} to {high}" for code, (low, high) in ends.items()}
    return _labelled(codes.map(names).reindex(values.index), list(names.values()))


def _ordered(values: pd.Series, distribution: BaseDistribution) -> list[Any]:
    present = set(values)
    if isinstance(distribution, CategoricalDistribution) and any(isinstance(choice, str) for choice in present):
        return [choice for choice in distribution.choices if choice in present]
    return sorted(present)


def _labelled(labels: pd.Series, order: list[str]) -> pd.Series:
    return pd.Series(pd.Categorical(labels, categories=list(dict.fromkeys(order)), ordered=True), index=labels.index)


def marginal(trials: pd.DataFrame, field: str, distribution: BaseDistribution, fields: list[str]) -> pd.DataFrame:
    """val_accuracy by value or bin of `field`, one row per group, in order.

    Columns: group, low, high (smallest and largest value in it), num_trials (begun), num_complete, and of the
    complete ones the median, q25, q75 and best val_accuracy.
    """
    rows = comparable(trials, field, fields)
    labels = groups(rows[field], distribution)
    table = []
    for label in labels.cat.categories:
        within = rows[labels == label]
        accuracy = within.val_accuracy[within.state == "complete"]
        q25, median, q75 = accuracy.quantile([0.25, 0.5, 0.75])
        low, high = within[field].min(), within[field].max()
        table.append([label, low, high, len(within), len(accuracy), median, q25, q75, accuracy.max()])
    columns = ["group", "low", "high", "num_trials", "num_complete", "median", "q25", "q75", "best"]
    return pd.DataFrame(table, columns=columns)


def curves_by(
    trials: pd.DataFrame, epochs: pd.DataFrame, field: str, distribution: BaseDistribution, fields: list[str]
) -> pd.DataFrame:
    """val_accuracy over the epochs by value or bin of `field`, failed trials left out.

    Columns: group, epoch, n (trials that got so far), median, q25, q75.
    """
    rows = comparable(trials, field, fields)
    labels = groups(rows[field], distribution)
    by_number = dict(zip(rows.number, labels, strict=True))
    curves = epochs[epochs.number.isin(rows.number) & (epochs.state != "failed")]
    label = pd.Series(pd.Categorical(curves.number.map(by_number), labels.cat.categories, ordered=True), curves.index)
    accuracy = curves.assign(group=label).groupby(["group", "epoch"], observed=True).val_accuracy
    table = accuracy.agg(n="count", median="median", q25=lambda x: x.quantile(0.25), q75=lambda x: x.quantile(0.75))
    return table.reset_index()


def edges(trials: pd.DataFrame, space: Space) -> list[str]:
    """A hint per range at one end of which the best trials crowd: the optimum may lie beyond."""
    complete, fields = finished(trials), searched_fields(space)
    if len(complete) < ENOUGH or is_one_factor(trials, fields):
        return []
    best = complete.head(max(5, math.ceil(len(complete) / 10)))
    return [hint for name in fields if (hint := _edge(name, best[name], space.searched[name]))]


def _edge(name: str, best: pd.Series, distribution: BaseDistribution) -> str | None:
    if isinstance(distribution, CategoricalDistribution):
        return None
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    scale = np.log if distribution.log else np.asarray  # type: ignore[attr-defined]
    place = (scale(best.astype(float)) - scale(low)) / (scale(high) - scale(low))
    for end, at_end, verb in ((low, place <= OUTER, "lower"), (high, place >= 1 - OUTER, "raise")):
        if at_end.mean() >= CROWD and not _is_limit(name, end):
            side = "low" if verb == "lower" else "high"
            crowd = f"{at_end.sum()} of the {len(best)} best trials lie at the {side} end of its range"
            return f"{name}: {crowd} ({format_value(end)}); {verb} `{side}` to see whether the best lies beyond."
    return None


def _is_limit(name: str, end: float) -> bool:
    """Whether the field itself allows nothing beyond `end`, as a dropout below 0."""
    rules = Hyperparameters.model_fields[name].metadata
    return any(getattr(rule, key, None) == end for rule in rules for key in ("ge", "le"))


def format_value(value: Any, digits: int = 4) -> str:
    """A hyperparameter's value; one that is no whole number in at most `digits` digits."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
