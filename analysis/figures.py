"""One function per figure, (numbers, ax) -> Axes, which only draws: numbers come from the tables and `summary`."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from analysis.axes import (
    BLACK,
    BLUE,
    CATEGORIES,
    GREY,
    ORANGE,
    STYLES,
    accuracy_axis,
    log_labels,
    mark_below,
    missing,
    ordered_colours,
)
from analysis.pareto import COSTS, with_cost
from search.store.candidates import THE_RECIPE

FloatArray = NDArray[np.float64]
LEGEND: dict[str, Any] = {"fontsize": 8, "frameon": True, "framealpha": 0.85, "edgecolor": "none"}
WIDE_RANGE = 3  # times the least cost, from which on an axis of costs is logarithmic


def accuracy_curves(epochs: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the validation accuracy of every trial over its epochs, with a last marker that shows its state."""
    seen = epochs[np.isfinite(epochs.val_accuracy)]
    if seen.empty:
        return missing(ax, "No trial has finished an epoch yet.")
    for state, style in STYLES.items():
        curves = seen[seen.state == state]
        if len(curves):
            x, y, ends = _one_line(curves)
            ax.plot(x, y, markevery=ends, alpha=0.75, label=f"{state} ({len(ends)})", **style)
    low = accuracy_axis(ax, seen.val_accuracy)
    last = seen.groupby("number").last()
    mark_below(ax, last.epoch, last.val_accuracy, low)
    _epoch_axis(ax)
    ax.set_title("Every trial", fontsize=11)
    ax.legend(**LEGEND, loc="lower right")  # to look for the best place takes long where there are many trials
    return ax


def curves_by_value(curves: pd.DataFrame, ax: Axes, name: str, ordered: bool = True) -> Axes:
    """Draw the accuracy per value or bin, from `summary.curves_by`: its median as a line, its middle half as a band."""
    present = list(dict.fromkeys(curves.group))
    if not present:
        return missing(ax, f"{name}: no trial has finished an epoch yet.")
    colours = ordered_colours(len(present)) if ordered else CATEGORIES
    for colour, group in zip(colours, present, strict=False):
        rows = curves[curves.group == group]
        epoch = rows.epoch.astype(int)
        ax.plot(epoch, rows["median"], color=colour, label=group, marker="o", markersize=3, linewidth=1.7)
        ax.fill_between(epoch, rows.q25, rows.q75, color=colour, alpha=0.15, linewidth=0)
    accuracy_axis(ax, curves["median"])
    _epoch_axis(ax)
    ax.set_title(name, fontsize=11)
    ax.legend(**LEGEND, handlelength=1.2)
    return ax


def losses(epochs: pd.DataFrame, ax: Axes, number: int | None) -> Axes:
    """Draw the training and the validation loss of trial `number`, which is None where no trial is complete."""
    curve = epochs[epochs.number == number] if number is not None else epochs.iloc[:0]
    if curve.empty:
        return missing(ax, "No trial is complete, so there is no winner whose losses could be shown.")
    epoch = curve.epoch.astype(int)
    ax.plot(epoch, curve.train_loss, color=BLUE, linestyle="-", label="training", marker="o", markersize=3.5)
    ax.plot(epoch, curve.val_loss, color=ORANGE, linestyle="--", label="validation", marker="o", markersize=3.5)
    if (curve[["train_loss", "val_loss"]] > 0).all(axis=None):
        ax.set_yscale("log")
        log_labels(ax.yaxis)
    _epoch_axis(ax)
    ax.set_ylabel("loss (nats per image)")
    ax.set_title(f"Losses of trial {number}", fontsize=11)
    ax.legend(**LEGEND)
    return ax


def best_so_far(
    best: pd.DataFrame, ax: Axes, over: str = "number", label: str = "best so far", colour: str = BLUE
) -> Axes:
    """Draw the best accuracy until then as steps over trial numbers or seconds, from `summary.best_so_far`."""
    if best.empty:
        return missing(ax, "No trial is complete yet, so there is no best one.")
    x = best[over].astype(float)
    ax.plot(x, best.val_accuracy, "o", color=colour, markersize=3.5, alpha=0.4, linewidth=0)
    ax.plot(x, best.best, color=colour, linewidth=1.9, drawstyle="steps-post", label=label)
    accuracy_axis(ax, np.concatenate([line.get_ydata() for line in ax.get_lines()]))
    ax.set_xlabel("trial number" if over == "number" else "time of searching (s)")
    ax.set_title(f"Best so far, over {'trials' if over == 'number' else 'time'}", fontsize=11)
    if over == "number":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.legend(**LEGEND, loc="lower right")
    return ax


def importance_bars(shares: pd.Series | None, ax: Axes, text: str) -> Axes:
    """Draw the share of each hyperparameter as a bar, the largest on top; `text` says of what, or why not."""
    if shares is None:
        return missing(ax, text)
    rows = shares[::-1]
    bars = ax.barh(rows.index, rows.to_numpy(), color=BLUE, height=0.62)
    ax.bar_label(bars, [f"{share:.2f}" for share in rows], padding=4, fontsize=8)
    ax.set_xlim(0, max(1.12 * float(rows.max()), 0.05))
    ax.set_xlabel("share of importance (sum 1)")
    ax.grid(visible=False, axis="y")
    ax.set_title(f"Importance: {text}", fontsize=9)
    return ax


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


def _one_line(curves: pd.DataFrame) -> tuple[FloatArray, FloatArray, list[int]]:
    """Return the curves of all trials as one line with a gap after each, and where they end: far faster to draw."""
    curves = curves.sort_values(["number", "epoch"], kind="stable")
    ends = np.flatnonzero(np.diff(curves.number.to_numpy(dtype=float), append=np.nan) != 0)
    epochs, accuracies = (curves[name].to_numpy(dtype=float) for name in ("epoch", "val_accuracy"))
    x, y = (np.insert(values, ends + 1, np.nan) for values in (epochs, accuracies))
    return x, y, (ends + np.arange(len(ends))).tolist()


def _epoch_axis(ax: Axes) -> None:
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
