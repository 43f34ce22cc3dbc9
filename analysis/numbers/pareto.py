"""The Pareto front: the complete trials that no other one beats at once in accuracy and in what it costs."""

import math

import pandas as pd

# The costs, each a column of the trial table, and how they are called.
COSTS = {"num_parameters": "parameters", "milliseconds_per_image": "milliseconds per image"}


def front(trials: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Return the complete trials that no other complete trial dominates, the cheapest first.

    One trial dominates another if it is neither costlier nor less accurate and is better in one of both, so cost and
    accuracy rise from row to row; of trials that are equal in both the lowest number stays. Trials of unknown cost
    (those of older runs have no latency) are left out. Accuracies are those of the single runs of the search: a mean
    over fresh seeds is known of a few candidates, and would lie below the luck of the others.

    Columns: number, `cost`, val_accuracy, and gain, by how much val_accuracy exceeds that of the row above (NaN in the
    first row).
    """
    known = with_cost(trials, cost).sort_values([cost, "val_accuracy", "number"], ascending=[True, False, True])
    cheaper = known.val_accuracy.cummax().shift(fill_value=-math.inf)
    table = known.loc[known.val_accuracy > cheaper, ["number", cost, "val_accuracy"]].reset_index(drop=True)
    return table.assign(gain=table.val_accuracy.diff())


def with_cost(trials: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Return the complete trials whose `cost` is known."""
    return trials[(trials.state == "complete") & trials[cost].notna()]


def costs_of(trials: pd.DataFrame) -> list[str]:
    """Return the costs that are known and worth a front: none where all networks have the same size."""
    if with_cost(trials, "num_parameters").num_parameters.nunique() < 2:
        return []
    return [cost for cost in COSTS if len(with_cost(trials, cost))]
