"""Numbers from the tables: the best trials, the effect of each hyperparameter, and ranges that were too narrow."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy import stats

from analysis.numbers.wording import format_value
from model.hyperparameters import Hyperparameters
from search.space import Space

ENDED = ("complete", "pruned", "failed")  # states in which a trial is over
FEW_VALUES = 6  # up to this many different values, each is a group of its own
BINS = 4  # groups of equal size that more values are divided into
ENOUGH = 8  # trials below which importance and edges would be guesses
CROWD = 0.8  # share of the best trials at one end of a range that calls for a hint
CHANCE = 0.05  # above this probability, any trials picked at random might crowd there as well
OUTER = 0.1  # the share of a range that counts as its end


def finished(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the complete trials, best first and the lower number first among equals."""
    complete = trials[trials.state == "complete"]
    return complete.sort_values(["val_accuracy", "number"], ascending=[False, True])


def best_so_far(trials: pd.DataFrame, over: str = "number") -> pd.DataFrame:
    """Return the complete trials in the order of `over` ("number" or "clock") with the best until then.

    Columns: number, `over` (of the clock the seconds), val_accuracy, and best, the highest val_accuracy up to this row.
    """
    complete = trials[trials.state == "complete"].sort_values(over)
    table = complete[list(dict.fromkeys(["number", over, "val_accuracy"]))].reset_index(drop=True)
    if over == "clock":
        table["clock"] = table.clock.dt.total_seconds()
    return table.assign(best=table.val_accuracy.cummax())


def searched_fields(space: Space) -> list[str]:
    """Return the names of the searched hyperparameters, in the order of the configuration."""
    return list(space.searched)


def is_one_factor(trials: pd.DataFrame, fields: list[str]) -> bool:
    """Return whether every trial differs from the first in at most one of `fields`: a one-factor-at-a-time study."""
    if len(trials) < 3 or len(fields) < 2:
        return False
    return bool((_differs(trials, fields).sum(axis=1) <= 1).all())


def comparable(trials: pd.DataFrame, field: str, fields: list[str]) -> pd.DataFrame:
    """Return the trials that show the effect of `field`.

    In a one-factor-at-a-time study these are the trials that equal the first one in all other `fields`; in any other
    study they are all trials.
    """
    if not is_one_factor(trials, fields):
        return trials
    others = [name for name in fields if name != field]
    return trials[~_differs(trials, others).any(axis=1)]


def _differs(trials: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    first = trials.iloc[0]
    return pd.DataFrame({name: (trials[name] != first[name]).fillna(True) for name in fields}, index=trials.index)


def groups(values: pd.Series, distribution: BaseDistribution) -> pd.Series:
    """Return an ordered label per value: the value itself where there are few different ones, else its bin.

    Bins hold about equally many values each and are labelled by the smallest and the largest value in them. The
    series has the index of `values` and NaN where a value is missing.
    """
    known = values.dropna()
    if isinstance(distribution, CategoricalDistribution) or known.nunique() <= FEW_VALUES:
        labels = {value: format_value(value) for value in _ordered(known, distribution)}
        return _labelled(values.map(labels), list(labels.values()))
    return _bins(known.astype(float)).reindex(values.index)


def _bins(numbers: pd.Series) -> pd.Series:
    """Return the label of each number's bin, as a category in ascending order."""
    codes = pd.qcut(numbers, BINS, labels=False, duplicates="drop")
    spans = numbers.groupby(codes).agg(["min", "max"])
    names = {}
    for code, (smallest, largest) in spans.iterrows():
        low, high = format_value(smallest, 3), format_value(largest, 3)
        names[code] = low if low == high else f"{low} to {high}"
    return _labelled(codes.map(names), list(names.values()))


def _ordered(values: pd.Series, distribution: BaseDistribution) -> list[Any]:
    present = set(values)
    if isinstance(distribution, CategoricalDistribution) and any(isinstance(choice, str) for choice in present):
        return [choice for choice in distribution.choices if choice in present]
    return sorted(present)


def _labelled(labels: pd.Series, order: list[str]) -> pd.Series:
    return pd.Series(pd.Categorical(labels, categories=list(dict.fromkeys(order)), ordered=True), index=labels.index)


def marginal(trials: pd.DataFrame, field: str, distribution: BaseDistribution, fields: list[str]) -> pd.DataFrame:
    """Return val_accuracy by value or bin of `field`, one row per group in ascending order.

    Columns: group, low and high (the smallest and the largest value in it), num_trials (begun), num_complete, and
    median, q25, q75 and best of the val_accuracy of the complete trials.
    """
    rows = comparable(trials, field, fields)
    labels = groups(rows[field], distribution)
    table = []
    for label in labels.cat.categories:
        within = rows[labels == label]
        accuracy = within.val_accuracy[within.state == "complete"]
        q25, median, q75 = accuracy.quantile([0.25, 0.5, 0.75])
        values = within[field].sort_values()  # words have no least
        low, high = values.iloc[0], values.iloc[-1]
        table.append([label, low, high, len(within), len(accuracy), median, q25, q75, accuracy.max()])
    columns = ["group", "low", "high", "num_trials", "num_complete", "median", "q25", "q75", "best"]
    return pd.DataFrame(table, columns=columns)


def curves_by(
    trials: pd.DataFrame, epochs: pd.DataFrame, field: str, distribution: BaseDistribution, fields: list[str]
) -> pd.DataFrame:
    """Return val_accuracy over the epochs by value or bin of `field`, without the failed trials.

    Columns: group, epoch, n (trials that reached this epoch), median, q25, q75.
    """
    rows = comparable(trials, field, fields)
    labels = groups(rows[field], distribution)
    by_number = dict(zip(rows.number, labels, strict=True))
    curves = epochs[epochs.number.isin(rows.number) & (epochs.state != "failed")]
    label = pd.Series(pd.Categorical(curves.number.map(by_number), labels.cat.categories, ordered=True), curves.index)
    accuracy = curves.assign(group=label).groupby(["group", "epoch"], observed=True).val_accuracy
    table = accuracy.agg(n="count", median="median", q25=lambda x: x.quantile(0.25), q75=lambda x: x.quantile(0.75))
    return table.reset_index()


@dataclass(frozen=True)
class Edge:
    """A range at one end of which `crowd` of the `best` best trials lie, so that the optimum may lie beyond it."""

    name: str
    side: Literal["low", "high"]
    crowd: int
    best: int
    distribution: BaseDistribution

    @property
    def end(self) -> float:
        """Return the value at that end of the range."""
        return getattr(self.distribution, self.side)  # type: ignore[no-any-return]


def edges(trials: pd.DataFrame, space: Space) -> list[Edge]:
    """Return the ranges whose best trials crowd at one end, more than all trials do."""
    complete, fields = finished(trials), searched_fields(space)
    if len(complete) < ENOUGH or is_one_factor(trials, fields):
        return []
    best = complete.head(max(5, math.ceil(len(complete) / 10)))
    return [edge for name in fields if (edge := _edge(name, trials[name], best.index, space.searched[name]))]


def _edge(name: str, values: pd.Series, best: pd.Index, distribution: BaseDistribution) -> Edge | None:
    if isinstance(distribution, CategoricalDistribution):
        return None
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    scale = np.log if distribution.log else np.asarray  # type: ignore[attr-defined]
    place = (scale(values.dropna().astype(float)) - scale(low)) / (scale(high) - scale(low))
    sides: list[tuple[Literal["low", "high"], pd.Series]] = [("low", place <= OUTER), ("high", place >= 1 - OUTER)]
    for side, at_end in sides:
        crowd = int(at_end[best].sum())
        # So many of the best may be there because so many of all trials are, as where a range has few steps.
        chance = float(stats.hypergeom.sf(crowd - 1, len(at_end), at_end.sum(), len(best)))
        edge = Edge(name, side, crowd, len(best), distribution)
        if crowd >= CROWD * len(best) and chance < CHANCE and not _is_limit(name, edge.end):
            return edge
    return None


def _is_limit(name: str, end: float) -> bool:
    """Return whether the hyperparameter itself allows nothing beyond `end`, such as a dropout below 0."""
    rules = Hyperparameters.model_fields[name].metadata
    return any(getattr(rule, key, None) == end for rule in rules for key in ("ge", "le"))
