"""One panel per hyperparameter: its value against accuracy, on the scale that it was searched on."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis.axes import BLACK, STYLES, accuracy_axis, mark_below, minor_label, missing
from analysis.summary import format_value

FEW_STEPS = 6  # up to so many steps of a range each get a tick


def value_panel(
    trials: pd.DataFrame, marginal: pd.DataFrame, ax: Axes, name: str, distribution: BaseDistribution
) -> Axes:
    """One hyperparameter against accuracy on the scale it was searched on: a marker per trial, a bar per median."""
    seen = trials[np.isfinite(trials.val_accuracy) & trials[name].notna() & (trials.state != "failed")]
    if seen.empty:
        return missing(ax, f"{name}: no trial has finished an epoch yet.")
    places = _places(distribution)
    for state in ("pruned", "interrupted", "running", "complete"):
        rows = seen[seen.state == state]
        style = {key: STYLES[state][key] for key in ("color", "marker", "zorder")}
        face = style["color"] if state == "complete" else "none"
        if len(rows):
            ax.plot(
                _x(rows[name], places),
                rows.val_accuracy,
                linewidth=0,
                markersize=4.5,
                alpha=0.7,
                mfc=face,
                label=state,
                **style,
            )
    _value_axis(ax, distribution, places)
    _medians(marginal, ax, places)
    low = accuracy_axis(ax, seen.val_accuracy)
    mark_below(ax, _x(seen[name], places), seen.val_accuracy, low)
    ax.set_xlabel(name)
    return ax


def _places(distribution: BaseDistribution) -> list[Any] | None:
    """The order of choices on the axis; None for a range, which has a scale of numbers."""
    if not isinstance(distribution, CategoricalDistribution):
        return None
    choices = list(distribution.choices)
    return choices if any(isinstance(choice, str) for choice in choices) else sorted(choices, key=float)


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
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(FuncFormatter(minor_label))
        ax.tick_params(axis="x", which="minor", labelsize=8)
    else:
        ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        if step and (high - low) / step < FEW_STEPS:
            ax.set_xticks(np.arange(low, high + step / 2, step))


def _medians(marginal: pd.DataFrame, ax: Axes, places: list[Any] | None) -> None:
    """A bar from the smallest to the largest value of each group that has two complete trials or more."""
    for row in marginal[marginal.num_complete > 1].to_dict("records"):
        ends = _x(pd.Series([row["low"], row["high"]], dtype=object), places)
        # A group of one value has no width: a dash of fixed size stands for its bar.
        marker = "_" if ends[0] == ends[1] else ""
        style: dict[str, Any] = {"color": BLACK, "linewidth": 2, "markersize": 18, "markeredgewidth": 2}
        ax.plot(ends, [row["median"]] * 2, marker=marker, zorder=6, **style)
