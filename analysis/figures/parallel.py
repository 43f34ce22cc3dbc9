"""The figure in which each trial is a line through its hyperparameters, up to its accuracy."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from optuna.distributions import BaseDistribution

from analysis.figures.axes import accuracy_ticks, missing, to_scale
from analysis.numbers.parallel import on_axes, ticks

MOST = 1_000  # trials, of which the best are drawn: more lines cover each other


def parallel_coordinates(trials: pd.DataFrame, ax: Axes, searched: dict[str, BaseDistribution]) -> Axes:
    """Draw each trial with an accuracy as a line, the more accurate the lighter and the further in front."""
    seen = trials[np.isfinite(trials.val_accuracy) & (trials.state != "failed")].dropna(subset=list(searched))
    if len(seen) < 2 or not searched:
        return missing(ax, "Fewer than two trials, or nothing searched: there are no lines to compare.")
    seen = seen.nlargest(MOST, "val_accuracy").sort_values("val_accuracy")
    scaled = to_scale(seen.val_accuracy.to_numpy())
    accuracy = (scaled - scaled.min()) / max(float(np.ptp(scaled)), 1e-9)
    lines = np.column_stack([on_axes(seen, searched), accuracy])
    x = np.arange(lines.shape[1])
    points = [np.column_stack([x, line]) for line in lines]
    ax.add_collection(LineCollection(points, colors=matplotlib.colormaps["viridis"](accuracy), linewidths=1, alpha=0.7))
    for place, distribution in enumerate(searched.values()):
        _axis(ax, place, ticks(distribution))
    low, high = seen.val_accuracy.min(), seen.val_accuracy.max()
    known = [(float(to_scale(np.array(tick))), f"{100 * tick:.4g}") for tick in accuracy_ticks(low, high)]
    span = max(float(np.ptp(scaled)), 1e-9)
    _axis(ax, len(searched), [((place - scaled.min()) / span, label) for place, label in known])
    ax.set_xticks(x, [*searched, "val_accuracy (%)"], rotation=20, ha="right")
    ax.set_yticks([])
    ax.set_xlim(-0.1, len(searched) + 0.4)
    ax.set_ylim(-0.05, 1.05)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.set_title("Each trial through its hyperparameters", fontsize=11)
    return ax


def _axis(ax: Axes, place: int, labels: list[tuple[float, str]]) -> None:
    ax.axvline(place, color="#888888", linewidth=0.8)
    for height, label in labels:
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
        ax.text(place + 0.03, height, label, va="center", fontsize=7, bbox=box)
