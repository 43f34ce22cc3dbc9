"""Whether a search has learned anything: an accuracy against that of always answering the most frequent class."""

import math
from statistics import NormalDist

from search.experiment import Experiment
from search.space import unusual

CLASSES = 10
LEVEL = 0.05  # probability at which chance alone may look like learning


def chance(experiment: Experiment) -> float:
    """Return the accuracy of always answering the most frequent class of the validation images.

    Runs of earlier versions have not stored it; theirs is that of classes of equal size.
    """
    return float(experiment.automatic.get("most_frequent_class", 1 / CLASSES))


def is_chance(experiment: Experiment, accuracy: float, trials: int) -> bool:
    """Return whether a validation accuracy, the best of `trials`, can't be told from `chance`.

    The test is a one-sided one of a binomial proportion, at the level 0.05 / trials (Bonferroni), as the best of many
    is lucky. The normal approximation serves: there are 100 validation images or more.
    """
    share, images = chance(experiment), max(experiment.images, 1)
    z = NormalDist().inv_cdf(1 - LEVEL / max(trials, 1))
    return accuracy <= share + z * math.sqrt(share * (1 - share) / images)


def as_chance(experiment: Experiment, accuracy: float) -> str:
    """Return in words that an accuracy is no better than chance."""
    images, share = experiment.images, chance(experiment)
    reached = f"{accuracy:.2%} of the {images:,} validation images are classified correctly"
    return f"{reached}, no more than by always answering the most frequent class ({share:.2%}), but for noise"


def likely_cause(experiment: Experiment) -> str:
    """Return the likely cause of a search in which nothing was learned, as its configuration tells it."""
    return unusual(experiment.space) or (
        "not in learning_rate, which has values that are usual for the optimizer: too few epochs or training images, "
        "or dropout, weight_decay or augmentation that are too strong"
    )
