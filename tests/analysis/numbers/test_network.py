"""What a network's answers tell, and the figures of it."""

from functools import partial

import numpy as np
import pandas as pd

from analysis import figures
from analysis.figures import sheet
from analysis.numbers.network import Mistake, calibration, confusion


def test_the_confusion_matrix_counts_what_is_taken_for_what() -> None:
    counts = confusion(pd.DataFrame({"label": [4, 4, 7], "prediction": [9, 4, 7]}))
    assert counts.sum() == 3
    assert (counts[4, 9], counts[4, 4], counts[7, 7]) == (1, 1, 1)


def test_bins_of_calibration_hold_equal_parts_of_what_is_unclear_and_the_rest_together() -> None:
    unsure = pd.DataFrame({"probability": np.linspace(0.5, 0.9, 20), "correct": [False, True] * 10})
    clear = pd.DataFrame({"probability": [1.0] * 80, "correct": [True] * 80})
    bins = calibration(pd.concat([unsure, clear]))
    assert bins.n.tolist() == [2] * 10 + [80]
    assert bins.accuracy.tolist() == [0.5] * 10 + [1.0]
    assert bins.probability.is_monotonic_increasing


def test_the_figures_of_the_network_show_its_numbers() -> None:
    counts = confusion(pd.DataFrame({"label": [4, 4, 7], "prediction": [9, 4, 7]}))
    matrix = sheet([partial(figures.confusion_matrix, counts)]).axes[0]
    assert sorted((text.get_position(), text.get_text()) for text in matrix.texts) == [
        ((4, 4), "1"),
        ((7, 7), "1"),
        ((9, 4), "1"),
    ]
    bins = pd.DataFrame({"n": [10, 90], "probability": [0.6, 1.0], "accuracy": [0.5, 1.0]})
    dots = sheet([partial(figures.calibration, bins)]).axes[0].containers[0].lines[0]
    assert dots.get_xydata().tolist() == [[0.6, 0.5], [1.0, 1.0]]


def test_pictures_are_drawn_one_by_one_and_their_lack_is_told() -> None:
    mistake = Mistake(1, 4, 9, 0.6, np.zeros((28, 28), dtype=np.uint8))
    wrong = sheet([partial(figures.worst_mistakes, [mistake] * 30)]).axes[0]
    assert {text.get_text() for text in wrong.texts} == {"4, not 9 (60%)"}
    assert len(wrong.texts) == 24
    kernels = sheet([partial(figures.kernels, np.ones((5, 3, 3)))]).axes[0].images[0].get_array()
    assert (~np.isnan(kernels)).sum() == 5 * 9
    none = [partial(figures.worst_mistakes, []), partial(figures.kernels, np.empty((0, 0, 0)))]
    assert all("export" in ax.texts[0].get_text() for ax in sheet(none).axes)
