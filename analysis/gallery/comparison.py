"""The figure that compares several runs."""

from functools import partial

from matplotlib.axes import Axes

from analysis import figures
from analysis.figures.axes import CATEGORIES, missing, sheet
from analysis.gallery.picture import HALF, Picture
from analysis.numbers.summary import best_so_far
from analysis.tables.run import Run


def comparison(runs: list[Run]) -> Picture:
    """Return the figure that compares several runs: the best accuracy until then, over trials and over time."""
    return Picture(
        "comparison",
        "Each line is the best complete trial of a run until then, hence optimistic; dots are its complete trials.",
        sheet([partial(_best_of_each, runs, over) for over in ("number", "clock")], columns=2, size=HALF),
    )


def _best_of_each(runs: list[Run], over: str, ax: Axes) -> Axes:
    found = {run.name: best_so_far(run.trials, over) for run in runs}
    begun = {name: best for name, best in found.items() if len(best)}
    if not begun:
        return missing(ax, "No trial of any run is complete yet.")
    for place, (name, best) in enumerate(begun.items()):
        figures.best_so_far(best, ax, over, label=name, colour=CATEGORIES[place % len(CATEGORIES)])
    return ax
