"""Which figures a report shows, with one sentence each on what to see in it."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution
from pandas import DataFrame

from analysis import figures
from analysis.axes import CATEGORIES, missing, sheet
from analysis.confirmation import confirmation
from analysis.importance import importance
from analysis.panels import value_panel
from analysis.run import Run
from analysis.summary import best_so_far, comparable, curves_by, is_one_factor, marginal, searched_fields
from analysis.verdict import winner_of

WIDE, HALF, PANEL = (9.6, 4.6), (4.9, 3.7), (3.7, 3.2)  # inches of one panel


class Picture(NamedTuple):
    """A figure, the name of its file, and what to see in it."""

    name: str
    sentence: str
    figure: Figure


def pictures(run: Run) -> Iterator[Picture]:
    """The figures of one run, one at a time."""
    curves = sheet([partial(figures.accuracy_curves, run.epochs)], size=WIDE)
    yield Picture("accuracy_curves", _curves_sentence(run), curves)
    drawings = [partial(figures.best_so_far, best_so_far(run.trials, over), over=over) for over in ("number", "clock")]
    sentence = "Where the line is flat at its end, more trials or time of the same kind would have gained little."
    yield Picture("best_so_far", sentence, sheet(drawings, columns=2, size=HALF))
    if len(run.confirm):
        drawing = partial(figures.confirmation_dots, confirmation(run.confirm), run.confirm)
        sentence = "Intervals that overlap: these seeds do not tell the candidates apart."
        yield Picture("confirmation", sentence, sheet([drawing], size=(WIDE[0], 3.6)))
    drawing = partial(figures.losses, run.epochs, number=winner_of(run))
    sentence = (
        "A validation loss that rises while the training loss still falls means overfitting. Dropout acts in training "
        "alone, so the training loss may lie above."
    )
    yield Picture("losses", sentence, sheet([drawing], size=WIDE))
    if run.experiment.space.searched and len(run.epochs):
        yield from _by_hyperparameter(run)


def _curves_sentence(run: Run) -> str:
    sentence = (
        "The scale stretches the top: each step from 90 to 99 to 99.9 % is equally long, and triangles lie below it."
    )
    if (run.trials.state == "pruned").any():
        sentence += " Grey curves were stopped early because others did better at the same epoch."
    return sentence


def comparison(runs: list[Run]) -> Picture:
    """The best so far of several runs, over trials and over time, in the same panels."""
    return Picture(
        "comparison",
        "Each line is the best complete trial of a run until then; dots are its complete trials.",
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


def _by_hyperparameter(run: Run) -> Iterator[Picture]:
    trials, searched = run.trials, run.experiment.space.searched
    fields = searched_fields(run.experiment.space)
    columns, size = min(len(fields), 3), PANEL if len(fields) > 2 else HALF
    panels = {name: partial(_panel, trials, name, searched[name], fields) for name in fields}
    curves = {name: partial(_curves, run, name, searched[name], fields) for name in fields}
    if is_one_factor(trials, fields):
        sentence = f"{{}} alone: all else is as in trial {trials.number.iloc[0]}."
        for name in fields:
            figure = sheet([panels[name], curves[name]], columns=2, size=HALF)
            yield Picture(f"factor_{name}", sentence.format(name), figure)
        return
    yield Picture(
        "hyperparameters",
        "Each marker is a trial at its last epoch, hollow where it did not run to its end, a triangle where it "
        "lies below the axis; a bar is the median of the complete trials with such values.",
        sheet(list(panels.values()), columns, size),
    )
    yield Picture(
        "curves_by_value",
        "Line: median of the trials with such values; band: their middle half. Where trials are stopped early, later "
        "epochs hold the survivors alone, so compare groups at the first epochs.",
        sheet(list(curves.values()), columns, size),
    )
    shares, text = importance(trials, run.experiment.space)
    yield Picture(
        "importance",
        "" if shares is None else f"How much each hyperparameter has to do with {text}.",
        sheet([partial(figures.importance_bars, shares, text=text)], size=(WIDE[0], 1.4 + 0.32 * len(fields))),
    )


def _panel(trials: DataFrame, name: str, distribution: BaseDistribution, fields: list[str], ax: Axes) -> Axes:
    rows = comparable(trials, name, fields)
    return value_panel(rows, marginal(trials, name, distribution, fields), ax, name, distribution)


def _curves(run: Run, name: str, distribution: BaseDistribution, fields: list[str], ax: Axes) -> Axes:
    curves = curves_by(run.trials, run.epochs, name, distribution, fields)
    words = isinstance(distribution, CategoricalDistribution) and any(isinstance(c, str) for c in distribution.choices)
    return figures.curves_by_value(curves, ax, name, ordered=not words)
