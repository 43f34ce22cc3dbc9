"""The look of the figures: colours for the colour-blind, and an accuracy axis that separates 99.0 from 99.5 %."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

# Okabe and Ito (2008), jfly.uni-koeln.de/color
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, BLACK, GREY = "#56B4E9", "#CC79A7", "#000000", "#999999"
CATEGORIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, BLACK)

# The ticks that an accuracy axis may have, in order of preference.
NICE = (0.99, 0.9, 0.999, 0.95, 0.98, 0.995, 0.97, 0.985, 0.992, 0.997, 0.8, 0.5, 0.994, 0.998, 0.996, 0.0, 1.0)
# The style of each state. Markers and lines differ as well as colours, for print and for the colour-blind.
STYLES: dict[str, dict[str, Any]] = {
    "pruned": {"color": GREY, "linewidth": 0.9, "linestyle": "-", "marker": "o", "markersize": 3.0, "zorder": 2},
    "failed": {"color": VERMILLION, "linewidth": 1.2, "linestyle": ":", "marker": "X", "markersize": 6.5, "zorder": 5},
    "interrupted": {
        "color": ORANGE,
        "linewidth": 1.4,
        "linestyle": "--",
        "marker": "s",
        "markersize": 5.0,
        "zorder": 4,
    },
    "paused": {"color": SKY, "linewidth": 1.2, "linestyle": "-", "marker": "d", "markersize": 5.0, "zorder": 3},
    "running": {"color": GREEN, "linewidth": 1.4, "linestyle": "--", "marker": ">", "markersize": 5.5, "zorder": 4},
    "complete": {"color": BLUE, "linewidth": 1.2, "linestyle": "-", "marker": "o", "markersize": 4.0, "zorder": 3},
}
LEGEND: dict[str, Any] = {"fontsize": 8, "frameon": True, "framealpha": 0.85, "edgecolor": "none"}
DECADES = 1.2  # decades of error on an axis: it reaches down to 16 times the error of the best trial
# Half an image in 10,000 is added to every error, so that an accuracy of 1 has a finite place on the axis.
FLOOR = 5e-5

MANY_POINTS = 2_000

Draw = Callable[[Axes], Axes]


def sheet(drawings: Sequence[Draw], columns: int = 1, size: tuple[float, float] = (9.6, 4.6)) -> Figure:
    """Return a figure with one panel of `size` inches per drawing, filled row by row in at most `columns` columns."""
    columns = min(columns, len(drawings))
    rows = -(-len(drawings) // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, draw in enumerate(drawings):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e4e4", linewidth=0.7)
        axes.set_axisbelow(True)
        draw(axes)
        for artist in (*axes.lines, *axes.collections):
            artist.set_rasterized(_has_many_points(artist))
    if not any(axes.axison for axes in figure.axes):
        figure.set_figheight(0.9 * rows)  # a sentence needs no more
    return figure


def _has_many_points(artist: Artist) -> bool:
    """Return whether an artist is better a picture within an SVG, as so many elements open slowly everywhere."""
    points: Any = artist.get_xdata() if isinstance(artist, Line2D) else artist.get_paths()  # type: ignore[attr-defined]
    return len(points) > MANY_POINTS


def missing(ax: Axes, sentence: str) -> Axes:
    """Write `sentence` in place of an empty panel, to say which data is missing."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, ha="center", va="center", wrap=True, color="#555555", transform=ax.transAxes)
    return ax


def bare(ax: Axes) -> None:
    """Take away all but the contents: for pictures, which have no scale."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def accuracy_axis(ax: Axes, values: Any) -> float:
    """Scale the y axis by error, so that 90, 99 and 99.9 % lie equally far apart, and return its lower limit.

    `values` (accuracies as fractions) set the limits, except for those far below the best, which would squeeze the
    rest together; `mark_below` shows these with the lower limit.
    """
    low, high = accuracy_limits(values)
    ticks = accuracy_ticks(low, high)
    ax.set_yscale("function", functions=(to_scale, _from_scale))
    ax.set_ylim(low, high)
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())
    decimals = _decimals(ticks)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.{decimals}f}"))
    ax.set_ylabel("validation accuracy (%)")
    return low


def _decimals(ticks: list[float]) -> int:
    """Return the decimals with which every tick is exact in percent, 4 at most, so that all labels have the same."""
    for decimals in range(4):
        if all(abs(round(100 * tick, decimals) - 100 * tick) < 1e-9 for tick in ticks):
            return decimals
    return 4


def mark_below(ax: Axes, x: Any, values: Any, low: float) -> None:
    """Draw a triangle at the foot of the axis for each value below `low`, so that no value is hidden."""
    places, known = np.asarray(x, dtype=float), np.asarray(values, dtype=float)
    if (known < low).any():
        foot = np.full((known < low).sum(), low)
        ax.plot(places[known < low], foot, "v", color=VERMILLION, markersize=6, clip_on=False, zorder=7)


def to_scale(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the place of each accuracy on its axis: how many decades its error lies below 1."""
    return -np.log10(np.maximum(1 + FLOOR - np.asarray(accuracy, dtype=float), FLOOR / 2))


def _from_scale(place: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 + FLOOR - 10.0 ** -np.asarray(place, dtype=float)


def accuracy_limits(values: Any) -> tuple[float, float]:
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    bottom, top = to_scale(np.array([low, high]))
    bottom = max(bottom, top - DECADES)
    margin = max(0.06 * (top - bottom), 0.03)
    low, high = _from_scale(np.array([bottom - margin, top + margin]))
    return max(float(low), -0.02), min(float(high), 1.0)


def accuracy_ticks(low: float, high: float) -> list[float]:
    """Return round accuracies at least a ninth of the axis apart or, on a narrow axis, evenly spaced ones."""
    inside = [tick for tick in NICE if low <= tick <= high]
    places = {tick: float(to_scale(np.array(tick))) for tick in (low, high, *inside)}
    kept: list[float] = []
    for tick in inside:
        if all(abs(places[tick] - places[other]) >= (places[high] - places[low]) / 9 for other in kept):
            kept.append(tick)
    if len(kept) >= 3:
        return sorted(kept)
    return [float(tick) for tick in MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]


def ordered_colours(count: int) -> list[Any]:
    """Return `count` colours for values that have an order: viridis without its palest end."""
    return [matplotlib.colormaps["viridis"](place) for place in np.linspace(0, 0.88, count)]


def log_labels(axis: Axis) -> None:
    """Label the ticks of a logarithmic axis with plain numbers: the decades and, smaller, 2 and 5 times them."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(_minor_label))
    axis.set_tick_params(which="minor", labelsize=8)


def _minor_label(value: float, _: Any) -> str:
    digit = round(value / 10 ** np.floor(np.log10(value)))
    return f"{value:g}" if digit in (2, 5) else ""
