"""The figures of what won: candidates trained again on fresh seeds, and what accuracy costs."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.figures.axes import BLACK, BLUE, GREY, LEGEND, ORANGE, accuracy_axis, mark_below, missing
from analysis.numbers.pareto import COSTS, with_cost
from search.store.candidates import THE_RECIPE

WIDE_RANGE = 3  # times the least cost, from which on an axis of costs is logarithmic


def confirmation_dots(table: pd.DataFrame, runs: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the mean and the interval of each candidate, as `table` has them, and each of its runs as a dot.

    `table` comes from `confirmation.confirmation`, `runs` is the table of the runs themselves, of which those of the
    recipe have no candidate.
    """
    table = table[table.n > 0].reset_index(drop=True)
    if table.empty:
        return missing(ax, "No candidate has been trained again on a fresh seed.")
    complete = runs[runs.state == "complete"].fillna({"candidate": THE_RECIPE})
    for place, row in table.iterrows():
        _candidate(row, complete.val_accuracy[complete.candidate == row.candidate], ax, place)
    names = ["recipe" if number == THE_RECIPE else f"trial {number}" for number in table.candidate]
    ax.set_yticks(range(len(table)), [f"{name} (n = {n})" for name, n in zip(names, table.n, strict=True)])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    ax.set_xlabel("validation accuracy (%)")
    ax.set_title("Trained again on fresh seeds", fontsize=11)
    ax.legend(**LEGEND, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return ax


def pareto_front(trials: pd.DataFrame, best: pd.DataFrame, ax: Axes, cost: str, winner: int | None) -> Axes:
    """Draw accuracy against `cost`: a dot per complete trial, the front as steps, the winner as a star.

    `best` comes from `pareto.front`.
    """
    known = with_cost(trials, cost).astype({cost: float})
    ax.plot(known[cost], known.val_accuracy, "o", color=GREY, markersize=4.5, mfc="none", label="complete trial")
    # At a cost between two trials of the front, the cheaper of them is the best to be had.
    x, y = [*best[cost], known[cost].max()], [*best.val_accuracy, best.val_accuracy.max()]
    steps: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": 1.7, "markevery": range(len(best))}
    ax.plot(x, y, color=BLUE, marker="o", markersize=5, label="Pareto front", **steps)
    won = known[known.number == winner]
    ax.plot(won[cost], won.val_accuracy, "*", color=ORANGE, mec=BLACK, markersize=15, zorder=8, label="winner")
    low = accuracy_axis(ax, known.val_accuracy)
    mark_below(ax, known[cost], known.val_accuracy, low)
    if known[cost].max() > WIDE_RANGE * known[cost].min():
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))  # so few that long numbers have room
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.set_xlabel(COSTS[cost])
    ax.set_title(f"Accuracy against {COSTS[cost]}", fontsize=11)
    ax.legend(**LEGEND)
    return ax


def _candidate(row: pd.Series, accuracies: pd.Series, ax: Axes, place: int) -> None:
    # The first candidate alone has labels, so that the legend holds each of them once.
    run, mean = ("single run", "mean, simultaneous 95 % interval") if place == 0 else (None, None)
    ax.plot(accuracies, [place] * len(accuracies), "o", color=GREY, markersize=5, mfc="none", label=run)
    half = None if np.isnan(row.low) else [[row["mean"] - row.low], [row.high - row["mean"]]]
    ax.errorbar(row["mean"], place, xerr=half, fmt="D", color=BLUE, capsize=4, markersize=6, label=mean)
