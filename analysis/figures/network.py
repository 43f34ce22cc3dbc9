"""The figures of the exported network: what it takes for what, how far its probabilities hold, what it looks for."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from analysis.figures.axes import BLUE, GREY, LEGEND, bare, missing
from analysis.numbers.network import Mistake

MOST = 24  # mistakes in one figure
COLUMNS = 8


def confusion_matrix(counts: NDArray[np.int64], ax: Axes) -> Axes:
    """Draw how many images of each digit are taken for another, from `network.confusion`; the right ones are grey."""
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    ax.imshow(wrong, cmap="Oranges", vmin=0, vmax=max(1, 1.4 * wrong.max()))
    for (label, prediction), count in np.ndenumerate(counts):
        if count:
            colour = GREY if label == prediction else "black"
            ax.text(prediction, label, str(count), ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(len(counts)))
    ax.set_yticks(range(len(counts)))
    ax.set_xlabel("prediction")
    ax.set_ylabel("digit")
    ax.grid(visible=False)
    ax.set_title("What is taken for what", fontsize=11)
    return ax


def calibration(bins: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how often the network is right where it is so sure, from `network.calibration`; the diagonal is perfect."""
    low = max(0.0, min(bins.probability.min(), bins.accuracy.min()) - 0.05)
    ax.plot([low, 1], [low, 1], color=GREY, linewidth=1, label="as often as it says")
    error = np.sqrt(bins.accuracy * (1 - bins.accuracy) / bins.n)
    ax.errorbar(bins.probability, bins.accuracy, yerr=error, fmt="o", color=BLUE, capsize=3, label="images")
    ax.set_xlabel("probability that the network gives")
    ax.set_ylabel("share that is right")
    ax.set_title("Calibration", fontsize=11)
    ax.legend(**LEGEND)
    return ax


def kernels(weights: NDArray[np.float64], ax: Axes) -> Axes:
    """Draw the kernels (C, k, k) of the first convolution: what adds to its outputs in blue, what takes away in red."""
    if not len(weights):
        return missing(ax, "This export holds no kernels: it is of an earlier version.")
    ax.imshow(_mosaic(weights), cmap="RdBu", vmin=-abs(weights).max(), vmax=abs(weights).max())
    bare(ax)
    ax.set_title(f"The {len(weights)} kernels of the first convolution", fontsize=11)
    return ax


def worst_mistakes(mistakes: list[Mistake], ax: Axes) -> Axes:
    """Draw the test images that the network is most surely wrong about, each with its digit and the prediction."""
    if not mistakes:
        return missing(ax, "No mistake is stored in this export.")
    shown = mistakes[:MOST]
    rows = math.ceil(len(shown) / COLUMNS)
    for place, mistake in enumerate(shown):
        where = (place % COLUMNS, -(place // COLUMNS))
        picture = OffsetImage(255 - mistake.pixels, zoom=1.9, cmap="gray", interpolation="nearest")
        ax.add_artist(AnnotationBbox(picture, where, frameon=False))
        words = f"{mistake.label}, not {mistake.prediction} ({mistake.probability:.0%})"
        ax.text(where[0], where[1] - 0.52, words, ha="center", va="top", fontsize=7, zorder=5)
    ax.set_xlim(-0.6, COLUMNS - 0.4)
    ax.set_ylim(0.1 - rows, 0.6)
    bare(ax)
    ax.set_title("Its surest mistakes on the test images", fontsize=11)
    return ax


def _mosaic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernels side by side in one image, apart by a line of NaN, which is drawn as nothing."""
    count, side, _ = weights.shape
    columns = min(count, 2 * math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    image = np.full((rows * (side + 1) - 1, columns * (side + 1) - 1), np.nan)
    for place, kernel in enumerate(weights):
        top, left = (side + 1) * (place // columns), (side + 1) * (place % columns)
        image[top : top + side, left : left + side] = kernel
    return image
