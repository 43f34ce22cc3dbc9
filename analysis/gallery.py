"""The figures that a report shows, each with a sentence on what to see in it."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis import figures
from analysis.figures.axes import CATEGORIES, Draw, missing, sheet
from analysis.numbers.confirmation import confirmation, interval_words
from analysis.numbers.network import Network, calibration, confusion
from analysis.numbers.outlook import room
from analysis.numbers.pareto import costs_of, front
from analysis.numbers.summary import best_so_far, comparable, curves_by, is_one_factor, marginal, searched_fields
from analysis.numbers.timeline import timeline
from analysis.tables.run import Run

WIDE, HALF, PANEL = (9.6, 4.6), (4.9, 3.7), (3.7, 3.2)  # inches of one panel


class Picture(NamedTuple):
    """A figure, the name of its file without the ending, and a sentence on what to see in it.

    The page draws an `interactive` one anew, so that it answers to the mouse; the files are there all the same.
    """

    name: str
    sentence: str
    figure: Figure
    interactive: bool = False


def pictures(run: Run) -> Iterator[Picture]:
    """Yield the figures of one run, drawn one at a time."""
    yield _curves(run)
    yield _best_so_far(run)
    yield _timeline(run)
    if len(run.confirm):
        yield _confirmation(run)
    if costs_of(run.trials):
        yield _pareto(run)
    yield _losses(run)
    if run.network:
        yield from _network(run.network)
    if not run.experiment.space.searched or run.epochs.empty:
        return
    if is_one_factor(run.trials, searched_fields(run.experiment.space)):
        yield from _factors(run)
    else:
        yield from _hyperparameters(run)


def _curves(run: Run) -> Picture:
    sentence = (
        "The scale stretches the top: each step from 90 to 99 to 99.9 % is equally long, and triangles mark curves "
        "that end below it."
    )
    if (run.trials.state == "pruned").any():
        sentence += " Grey curves are of trials that did not train to their end."
    drawing = partial(figures.accuracy_curves, run.epochs)
    return Picture("accuracy_curves", sentence, sheet([drawing], size=WIDE), interactive=True)


def _best_so_far(run: Run) -> Picture:
    left, best = room(run.trials), partial(best_so_far, run.trials)
    drawings = [partial(figures.best_so_far, best(over), over=over, room=left) for over in ("number", "clock")]
    sentence = (
        "Where the line is flat at its end, the last trials gained nothing. Its height is that of the luckiest single "
        "run, hence optimistic."
    )
    if left:
        sentence += " The band is what the second half of the trials gained: as many trials again are to gain less."
    return Picture("best_so_far", sentence, sheet(drawings, columns=2, size=HALF), interactive=True)


def _timeline(run: Run) -> Picture:
    stretches = timeline(run.trials, run.epochs)
    rows = len(stretches[["place", "lane"]].drop_duplicates())
    sentence = "Each bar is a stretch in which a trial was trained without a pause; gaps are time that no trial used."
    size = (WIDE[0], min(1.9 + 0.34 * rows, 24.0))
    return Picture("timeline", sentence, sheet([partial(figures.timeline, stretches)], size=size), interactive=True)


def _confirmation(run: Run) -> Picture:
    recipe = confirmation([run.recipe] if run.recipe else [])
    rows = pd.concat([table for table in (run.confirmation, recipe) if len(table)])
    drawing = partial(figures.confirmation_dots, rows, run.confirm)
    sentence = (
        f"Bars: {interval_words(len(run.confirmation))}, over seeds on the same validation images. Where they overlap, "
        "pairs of one seed, as in the race, may still tell two candidates apart."
    )
    return Picture("confirmation", sentence, sheet([drawing], size=(WIDE[0], 3.6)))


def _pareto(run: Run) -> Picture:
    drawings: list[Draw] = []
    for cost in costs_of(run.trials):
        best = front(run.trials, cost)
        drawings.append(partial(figures.pareto_front, run.trials, best, cost=cost, winner=run.winner))
    sentence = (
        "The line is the best accuracy to be had at a cost, by single runs, hence optimistic. A trial below it is "
        "beaten by one that costs no more. The winner may lie below it, as fresh seeds chose it."
    )
    return Picture("pareto", sentence, sheet(drawings, columns=2, size=HALF))


def _losses(run: Run) -> Picture:
    drawing = partial(figures.losses, run.epochs, number=run.winner)
    sentence = (
        "A validation loss that rises while the training loss still falls means overfitting. Dropout and augmentation "
        "act in training alone, so the training loss may lie above."
    )
    return Picture("losses", sentence, sheet([drawing], size=WIDE))


def _network(network: Network) -> Iterator[Picture]:
    """Yield the figures of the exported network."""
    drawings = [
        partial(figures.calibration, calibration(network.predictions)),
        partial(figures.confusion_matrix, confusion(network.predictions)),
    ]
    sentence = (
        "Left: each dot is a tenth of the test images that the network is not quite sure of, the last all others, with "
        "its standard error. Right: test images by what they are and what the network takes them for."
    )
    yield Picture("calibration", sentence, sheet(drawings, columns=2, size=(4.9, 4.4)))
    if network.mistakes:
        rows = -(-min(len(network.mistakes), 24) // 8)
        drawing = partial(figures.worst_mistakes, network.mistakes)
        sentence = "Each with its digit, what the network takes it for, and how sure it is of that."
        yield Picture("worst_mistakes", sentence, sheet([drawing], size=(WIDE[0], 0.5 + 1.15 * rows)))
    if len(network.kernels):
        sentence = "Blue adds to what a kernel answers where there is ink, red takes away from it."
        yield Picture("kernels", sentence, sheet([partial(figures.kernels, network.kernels)], size=(WIDE[0], 2.6)))


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


def _factors(run: Run) -> Iterator[Picture]:
    """Yield one figure per hyperparameter of a one-factor-at-a-time study: its panel beside its curves."""
    panels, curves = _panels(run), _curves_by_value(run)
    for name in panels:
        sentence = f"{name} alone: all else is as in trial {run.trials.number.iloc[0]}."
        yield Picture(f"factor_{name}", sentence, sheet([panels[name], curves[name]], columns=2, size=HALF))


def _hyperparameters(run: Run) -> Iterator[Picture]:
    """Yield the figures with one panel per hyperparameter, and the one of their importance."""
    yield hyperparameters(run)
    yield Picture(
        "curves_by_value",
        "Line: median of the trials with such values; band: their middle half. Where trials are stopped early, later "
        "epochs hold the survivors alone, so compare groups at the first epochs.",
        _side_by_side(_curves_by_value(run)),
        interactive=True,
    )
    drawing = partial(figures.parallel_coordinates, run.trials, searched=run.experiment.space.searched)
    sentence = "Each line is a trial with its values, the lighter the more accurate."
    yield Picture("parallel_coordinates", sentence, sheet([drawing], size=WIDE), interactive=True)
    yield _importance(run)


def hyperparameters(run: Run) -> Picture:
    """Return the figure of each searched hyperparameter against accuracy, for which the trial table is enough."""
    return Picture(
        "hyperparameters",
        "Each marker is a trial at its last epoch, hollow where it did not run to its end, a triangle where it "
        "lies below the axis; a bar is the median of the complete trials with such values.",
        _side_by_side(_panels(run)),
        interactive=True,
    )


def _side_by_side(drawings: dict[str, Draw]) -> Figure:
    return sheet(list(drawings.values()), min(len(drawings), 3), PANEL if len(drawings) > 2 else HALF)


def _importance(run: Run) -> Picture:
    shares, text = run.importance
    sentence = ""
    if shares is not None:
        sentence = f"How much each hyperparameter has to do with {text}. What helps early need not help at the end."
    size = (WIDE[0], 1.4 + 0.32 * len(run.experiment.space.searched))
    return Picture("importance", sentence, sheet([partial(figures.importance_bars, shares, text=text)], size=size))


def _panels(run: Run) -> dict[str, Draw]:
    """Return the drawing of each searched hyperparameter's panel, by its name."""
    drawings: dict[str, Draw] = {}
    fields = searched_fields(run.experiment.space)
    for name, distribution in run.experiment.space.searched.items():
        trials, medians = comparable(run.trials, name, fields), marginal(run.trials, name, distribution, fields)
        drawings[name] = partial(figures.value_panel, trials, medians, name=name, distribution=distribution)
    return drawings


def _curves_by_value(run: Run) -> dict[str, Draw]:
    """Return the drawing of the accuracy curves by value of each searched hyperparameter, by its name."""
    drawings: dict[str, Draw] = {}
    fields = searched_fields(run.experiment.space)
    for name, distribution in run.experiment.space.searched.items():
        curves = curves_by(run.trials, run.epochs, name, distribution, fields)
        drawings[name] = partial(figures.curves_by_value, curves, name=name, ordered=not _has_words(distribution))
    return drawings


def _has_words(distribution: BaseDistribution) -> bool:
    if not isinstance(distribution, CategoricalDistribution):
        return False
    return any(isinstance(choice, str) for choice in distribution.choices)
