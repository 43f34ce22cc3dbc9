"""The figure of when each trial was trained, and where."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from analysis.figures.axes import LEGEND, STYLES, missing

MOST_LABELS = 150  # stretches, above which the numbers of trials would cover each other


def timeline(stretches: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a bar per stretch of training, from `timeline.timeline`; each place has a row per trial side by side."""
    if stretches.empty:
        return missing(ax, "No trial has finished an epoch yet.")
    rows = stretches[["place", "lane"]].drop_duplicates().sort_values(["place", "lane"], ignore_index=True)
    heights = {(row.place, row.lane): height for height, row in enumerate(rows.itertuples())}
    for (place, lane), row in stretches.groupby(["place", "lane"]):
        spans = list(zip(row.start, row.end - row.start, strict=True))
        colours = [STYLES[state]["color"] for state in row.state]
        ax.broken_barh(spans, (heights[place, lane] - 0.4, 0.8), facecolors=colours, edgecolor="white", linewidth=0.7)
    if len(stretches) <= MOST_LABELS:
        _number(stretches, [heights[row.place, row.lane] for row in stretches.itertuples()], ax)
    ax.set_yticks(range(len(rows)), [place if lane == 0 else "" for place, lane in rows.itertuples(index=False)])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("time of searching (s)")
    ax.set_title("When and where each trial was trained", fontsize=11)
    present = [state for state in STYLES if (stretches.state == state).any()]
    ax.legend(
        handles=[Patch(color=STYLES[state]["color"], label=state) for state in present],
        **LEGEND,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=5,  # below the label of the axis, however high the figure is
        ncols=len(present),
    )
    return ax


def _number(stretches: pd.DataFrame, y: list[int], ax: Axes) -> None:
    """Write the number of its trial into each bar that is wide enough."""
    wide = (stretches.end.max() - stretches.start.min()) / 60
    for row, height in zip(stretches.itertuples(), y, strict=True):
        if row.end - row.start > wide:
            middle = (row.start + row.end) / 2
            ax.text(middle, height, str(int(row.number)), ha="center", va="center", fontsize=7, color="white")
