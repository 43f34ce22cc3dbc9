"""The figures of hyperparameters: a panel each, curves by value, parallel coordinates, importance."""

from collections.abc import Iterator
from functools import partial

from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis import figures
from analysis.figures.axes import Draw, sheet
from analysis.gallery.picture import HALF, PANEL, WIDE, Picture
from analysis.numbers.summary import comparable, curves_by, marginal, searched_fields
from analysis.tables.run import Run


def factors(run: Run) -> Iterator[Picture]:
    """Yield one figure per hyperparameter of a one-factor-at-a-time study: its panel beside its curves."""
    panels, curves = _panels(run), _curves_by_value(run)
    for name in panels:
        sentence = f"{name} alone: all else is as in trial {run.trials.number.iloc[0]}."
        yield Picture(f"factor_{name}", sentence, sheet([panels[name], curves[name]], columns=2, size=HALF))


def hyperparameter_pictures(run: Run) -> Iterator[Picture]:
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
