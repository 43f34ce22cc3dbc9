"""All figures of a report on one run, each with a sentence on what to see in it."""

from collections.abc import Iterator
from functools import partial

import pandas as pd

from analysis import figures
from analysis.figures.axes import Draw, sheet
from analysis.gallery.hyperparameters import factors, hyperparameter_pictures
from analysis.gallery.picture import HALF, WIDE, Picture
from analysis.numbers.confirmation import confirmation, interval_words
from analysis.numbers.network import Network, calibration, confusion
from analysis.numbers.outlook import room
from analysis.numbers.pareto import costs_of, front
from analysis.numbers.summary import best_so_far, is_one_factor, searched_fields
from analysis.numbers.timeline import timeline
from analysis.tables.run import Run


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
        yield from factors(run)
    else:
        yield from hyperparameter_pictures(run)


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
