"""What an export says of its network is read, and told from damage."""

import base64
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from analysis import figures
from analysis.figures import sheet
from analysis.numbers.network import Mistake, calibration, confusion, read_network
from model.card import ExportError, read_card
from model.insight import MOST, insight
from model.network import Net
from tests.model.exports import WINNER, write


def export(folder: Path, **changes: object) -> Path:
    write(folder, Net(**WINNER.exported_architecture()), torch.eye(10)[[3, 1, 4]], **changes)
    return folder


def test_kernels_and_the_surest_mistakes_are_kept_as_pictures() -> None:
    net, random = Net(conv1_width=4, conv2_width=4), torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (100, 28, 28), generator=random).to(torch.uint8)
    labels = torch.arange(100) % 10
    probabilities = torch.rand((100, 10), generator=random).softmax(dim=1)
    found = json.loads(insight(net, images, labels, probabilities))
    assert np.allclose(found["kernels"], net.conv1.weight.detach().squeeze(1).numpy(), atol=1e-5)
    wrong = (probabilities.argmax(dim=1) != labels).sum()
    assert len(found["mistakes"]) == min(int(wrong), MOST)
    sure = [mistake["probability"] for mistake in found["mistakes"]]
    assert sure == sorted(sure, reverse=True)
    for mistake in found["mistakes"]:
        assert mistake["prediction"] == int(probabilities[mistake["index"]].argmax()) != mistake["label"]
        assert base64.b64decode(mistake["pixels"]) == images[mistake["index"]].numpy().tobytes()


def test_an_export_is_read_without_torch_and_one_of_an_earlier_version_has_no_pictures(tmp_path: Path) -> None:
    pixels = base64.b64encode(bytes(range(196)) * 4).decode()
    mistake = {"index": 1, "label": 4, "prediction": 9, "probability": 0.6, "pixels": pixels}
    contents = json.dumps({"kernels": [[[0.5, -0.5], [0.0, 1.0]]], "mistakes": [mistake]}).encode()
    folder = export(tmp_path / "new", insight=contents)
    network = read_network(folder, read_card(folder))
    assert network.kernels.tolist() == [[[0.5, -0.5], [0.0, 1.0]]]
    assert network.mistakes[0].pixels.shape == (28, 28)
    assert network.mistakes[0].pixels[0, 27] == 27
    older = export(tmp_path / "old")
    network = read_network(older, read_card(older))
    assert (len(network.kernels), network.mistakes) == (0, [])
    assert network.predictions.columns[:3].tolist() == ["index", "label", "prediction"]


@pytest.mark.parametrize("contents", [b"{", b"{}", b'{"kernels": [], "mistakes": [{"pixels": "x"}]}'])
def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, contents: bytes) -> None:
    folder = export(tmp_path / "bad", insight=contents)
    with pytest.raises(ExportError, match=r"insight\.json can't be read"):
        read_network(folder, read_card(folder))


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
