"""Fixtures for tests of the model: small export folders, a way to save a picture, drawings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from model.export import Export, read_export
from model.image import load_digit
from model.network import Net
from tests.model.drawings import Save, draw_line, seven
from tests.model.exports import WINNER, write, write_sure


@pytest.fixture
def net() -> Net:
    torch.manual_seed(1)
    return Net(**WINNER.architecture()).eval()


@pytest.fixture
def probabilities() -> Tensor:
    return torch.eye(10)[[3, 1, 5]] * 0.9 + 0.01


@pytest.fixture
def folder(tmp_path: Path, net: Net, probabilities: Tensor) -> Path:
    write(tmp_path / "runs" / "demo" / "export", net, probabilities)
    return tmp_path / "runs" / "demo" / "export"


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return read_export(write_sure(tmp_path / "runs" / "demo" / "export"))


@pytest.fixture
def here(tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a model below runs/, one.png, two.png and broken.png."""
    monkeypatch.chdir(tmp_path)
    draw_line(tmp_path / "one.png")
    draw_line(tmp_path / "two.png", slant=30)
    (tmp_path / "broken.png").write_text("no picture")
    return tmp_path


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(image: Image.Image, name: str = "digit.png", **options: Any) -> Path:
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def plain(save: Save) -> Tensor:
    return load_digit(save(seven(), "plain.png"))
