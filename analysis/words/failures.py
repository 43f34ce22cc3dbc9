"""Why trials failed, in sentences, and which hyperparameters set the failed trials of one cause apart."""

import math

import pandas as pd

from analysis.numbers.summary import ENDED
from analysis.numbers.wording import count, format_value, listed
from model.hyperparameters import Hyperparameters
from search.store.failures import UNKNOWN, cause_of, first_line

MOST = 3  # hyperparameters that are named
CHANCE = 0.05  # above this probability, any trials picked at random might stand apart as well


def post_mortem(trials: pd.DataFrame) -> list[str]:
    """Return one sentence per cause of failure, the most frequent first, then one each on retries and damaged states.

    Two trials failed of one cause if the first lines of their errors are equal apart from numbers.
    """
    failed, ended = trials[trials.state == "failed"], trials[trials.state.isin(ENDED)]
    reasons = failed.error.fillna(UNKNOWN).map(first_line)
    by_cause = sorted(reasons.groupby(reasons.map(cause_of)), key=lambda cause: -len(cause[1]))
    sentences = []
    for _, lines in by_cause:
        group = failed.loc[lines.index]
        sentences.append(_cause(lines.iloc[0], group, ended.drop(group.index)))
    return [*sentences, *_recoveries(trials)]


def _cause(reason: str, group: pd.DataFrame, others: pd.DataFrame) -> str:
    sentence = f"{count(len(group), 'trial')} failed ({listed(group.number.tolist())}): {reason}"
    shared = set_apart(group, others)
    if not shared:
        return sentence
    return f"{sentence.rstrip('.')}; what they share and no other ended trial has: {', '.join(shared)}"


def _recoveries(trials: pd.DataFrame) -> list[str]:
    sentences = []
    retried = trials[trials.retries.fillna(0) > 0]
    if len(retried):
        who = f"{count(len(retried), 'trial')} went on after a worker had died"
        sentences.append(f"{who} ({listed(retried.number.tolist())}).")
    damaged = trials[trials.damaged.notna()]
    if len(damaged):
        who = f"{count(len(damaged), 'trial')} went on after a damaged checkpoint"
        sentences.append(f"{who} ({listed(damaged.number.tolist())}): {damaged.damaged.iloc[0]}")
    return sentences


def set_apart(group: pd.DataFrame, others: pd.DataFrame) -> list[str]:
    """Return what all trials of `group` share and none of `others` has, as "pool = early" or "gamma from 0.5 to 0.7".

    The most telling come first: those that trials picked at random from both tables are least likely to share. A
    single trial differs from all others in any case, so it yields an empty list.
    """
    if len(group) < 2:
        return []
    found = []
    for name in Hyperparameters.model_fields:
        inside, outside = group[name], others[name].dropna()
        if inside.isna().any() or not _is_apart(inside, outside):
            continue
        chance = _chance(pd.concat([inside, outside]), len(inside))
        if chance <= CHANCE:
            found.append((chance, f"{name} {_span(inside)}"))
    found.sort(key=lambda pair: pair[0])
    return [text for _, text in found[:MOST]]


def _span(values: pd.Series) -> str:
    ordered = values.sort_values()  # words have no least
    low, high = format_value(ordered.iloc[0]), format_value(ordered.iloc[-1])
    return f"= {low}" if low == high else f"from {low} to {high}"


def _is_apart(inside: pd.Series, outside: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(inside):
        return not outside.between(inside.min(), inside.max()).any()
    return inside.nunique() == 1 and not outside.isin(inside).any()


def _chance(values: pd.Series, picked: int) -> float:
    """Return the probability that `picked` of `values`, picked at random, have a value or an interval of their own."""
    counts = values.value_counts().sort_index()
    ways = int((counts == picked).sum())
    if pd.api.types.is_numeric_dtype(values):
        before = {0, *counts.cumsum()}
        ways = len({smaller + picked for smaller in before} & before)
    return ways / math.comb(len(values), picked)
