"""The figures of hyperparameters: their values against accuracy, on the scale of the search, and their importance."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis.figures.axes import BLACK, BLUE, STYLES, accuracy_axis, log_labels, mark_below, missing
from analysis.numbers.parallel import ordered_choices
from analysis.numbers.wording import format_value

FEW_STEPS = 6  # a range of fewer steps has a tick for each


def value_panel(
    trials: pd.DataFrame, marginal: pd.DataFrame, ax: Axes, name: str, distribution: BaseDistribution
) -> Axes:
    """Draw one hyperparameter against accuracy: a marker per trial and, from `summary.marginal`, a bar per median."""
    seen = trials[np.isfinite(trials.val_accuracy) & trials[name].notna() & (trials.state != "failed")]
    if seen.empty:
        return missing(ax, f"{name}: no trial has finished an epoch yet.")
    places = _places(distribution)
    for state in ("pruned", "paused", "interrupted", "running", "complete"):
        rows = seen[seen.state == state]
        if len(rows):
            ax.plot(_x(rows[name], places), rows.val_accuracy, label=state, **_marker(state))
    _value_axis(ax, distribution, places)
    _medians(marginal, ax, places)
    low = accuracy_axis(ax, seen.val_accuracy)
    mark_below(ax, _x(seen[name], places), seen.val_accuracy, low)
    ax.set_xlabel(name)
    return ax


def _marker(state: str) -> dict[str, Any]:
    """Return the style of a state's markers, which are hollow where a trial did not run to its end."""
    style = {key: STYLES[state][key] for key in ("color", "marker", "zorder")}
    face = style["color"] if state == "complete" else "none"
    return {**style, "markerfacecolor": face, "markersize": 4.5, "alpha": 0.7, "linewidth": 0}


def _places(distribution: BaseDistribution) -> list[Any] | None:
    """Return the choices in their order on the axis; None for a range, whose axis is a scale of numbers."""
    return ordered_choices(distribution) if isinstance(distribution, CategoricalDistribution) else None


def _x(values: pd.Series, places: list[Any] | None) -> list[float]:
    return [float(value) if places is None else float(places.index(value)) for value in values]


def _value_axis(ax: Axes, distribution: BaseDistribution, places: list[Any] | None) -> None:
    if places is not None:
        ax.set_xticks(range(len(places)), [format_value(place) for place in places])
        ax.set_xlim(-0.5, len(places) - 0.5)
        return
    low, high, step = distribution.low, distribution.high, distribution.step  # type: ignore[attr-defined]
    if distribution.log:  # type: ignore[attr-defined]
        ax.set_xscale("log")
        margin = (high / low) ** 0.04
        ax.set_xlim(low / margin, high * margin)
        log_labels(ax.xaxis)
    else:
        ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        if step and (high - low) / step < FEW_STEPS:
            ax.set_xticks(np.arange(low, high + step / 2, step))


def _medians(marginal: pd.DataFrame, ax: Axes, places: list[Any] | None) -> None:
    """Draw a bar from the smallest to the largest value of each group that has at least two complete trials."""
    for row in marginal[marginal.num_complete > 1].to_dict("records"):
        ends = _x(pd.Series([row["low"], row["high"]], dtype=object), places)
        # The bar of a single value would have no width, so a dash of fixed size stands for it.
        marker = "_" if ends[0] == ends[1] else ""
        style: dict[str, Any] = {"color": BLACK, "linewidth": 2, "markersize": 18, "markeredgewidth": 2}
        ax.plot(ends, [row["median"]] * 2, marker=marker, zorder=6, **style)


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
