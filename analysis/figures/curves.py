"""The figures of curves, each a function (numbers, ax) -> Axes that only draws: accuracy and losses over the epochs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures.axes import (
    BLUE,
    CATEGORIES,
    LEGEND,
    ORANGE,
    STYLES,
    accuracy_axis,
    log_labels,
    mark_below,
    missing,
    ordered_colours,
)

FloatArray = NDArray[np.float64]


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
    best: pd.DataFrame,
    ax: Axes,
    over: str = "number",
    label: str = "best so far",
    colour: str = BLUE,
    room: float | None = None,
    style: str = "-",
) -> Axes:
    """Draw the best accuracy until then as steps over trial numbers or seconds, from `summary.best_so_far`.

    `room`, from `outlook.room`, is drawn as a band above the best: as many trials again are to gain less than that.
    """
    if best.empty:
        return missing(ax, "No trial is complete yet, so there is no best one.")
    x = best[over].astype(float)
    ax.plot(x, best.val_accuracy, "o", color=colour, markersize=3.5, alpha=0.4, linewidth=0)
    ax.plot(x, best.best, color=colour, linewidth=1.9, linestyle=style, drawstyle="steps-post", label=label)
    if room:
        top = float(best.best.iloc[-1])
        ax.axhspan(top, min(top + room, 1), color=colour, alpha=0.12, linewidth=0, label="room left, at most")
    highest = [float(best.best.iloc[-1]) + room] if room else []
    accuracy_axis(ax, np.concatenate([*(line.get_ydata() for line in ax.get_lines()), highest]))
    ax.set_xlabel("trial number" if over == "number" else "time of searching (s)")
    ax.set_title(f"Best so far, over {'trials' if over == 'number' else 'time'}", fontsize=11)
    if over == "number":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.legend(**LEGEND, loc="lower right")
    return ax


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
