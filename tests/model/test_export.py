"""An export folder is found and read back, with a module of an older version in it too."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import network
from model.card import ExportError, read_whole
from model.export import newest_export, read_export
from model.network import Net
from tests.model.exports import WINNER, sign, write


def test_an_export_is_read_back(folder: Path, net: Net) -> None:
    export = read_export(folder)
    images = torch.randn(2, 1, 28, 28)
    assert torch.equal(export.net(images), net(images))
    assert not export.net.training
    assert export.hyperparameters == WINNER
    assert (export.mean, export.std) == (0.1307, 0.3081)
    assert export.classes == list("0123456789")
    assert export.temperature == 1.25
    assert export.metrics == {"val_accuracy": 0.99, "test_accuracy": 0.98}
    assert export.provenance == {"dataset": "mnist", "trial": 7}
    assert export.folder == folder


def test_an_export_with_an_older_module_is_read(folder: Path, net: Net) -> None:
    older = Path(network.__file__).read_text().replace("        *,\n", "").replace("int = 32", "int = 4")
    (folder / "mnist_cnn.py").write_text(older)
    sign(folder)
    assert torch.equal(read_export(folder).net.conv1.weight, net.conv1.weight)
    assert read_whole(folder).hyperparameters == WINNER


def test_the_newest_export_is_found(tmp_path: Path, folder: Path, net: Net, probabilities: Tensor) -> None:
    newer = folder.parent.parent / "another" / "export"
    write(newer, net, probabilities)
    os.utime(folder / "model.json", ns=(1, 1))
    assert newest_export(tmp_path / "runs") == newer
    os.utime(newer / "model.json", ns=(0, 0))
    assert newest_export(tmp_path / "runs") == folder
    with pytest.raises(ExportError, match=r"no export below '.*none'; run `make search` or name one with --model DIR"):
        newest_export(tmp_path / "none")
