"""What an export says of its network is read, and told from damage."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.tables.network import read_network
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
