"""A checkpoint gives the training state back as it was, or is refused in one line."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch

from model.augment import STRENGTHS
from model.checkpoint import FILE, CheckpointError, load, save
from model.hyperparameters import Hyperparameters
from model.train import TrainingState, start

CPU = torch.device("cpu")
TINY = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4, optimizer="sgd", learning_rate=0.1)


def begin() -> TrainingState:
    return start(TINY, seed=3, number=5, device=CPU)


def test_a_checkpoint_gives_the_state_back(tmp_path: Path) -> None:
    training = begin()
    training.epoch = 2
    save(training, tmp_path)
    back = load(tmp_path, CPU)
    assert (back.hyperparameters, back.seed, back.number, back.epoch) == (TINY, 3, 5, 2)
    assert all(torch.equal(weight, back.net.state_dict()[name]) for name, weight in training.net.state_dict().items())


def test_a_checkpoint_leaves_no_temporary_file(tmp_path: Path) -> None:
    save(begin(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_a_checkpoint_of_a_version_with_fewer_fields_is_loaded(tmp_path: Path) -> None:
    training = begin()
    training.epoch = 2
    save(training, tmp_path)
    newer = {"batch_norm", "ema_decay", *STRENGTHS}
    content = torch.load(BytesIO((tmp_path / FILE).read_bytes()[32:]), weights_only=True)
    del content["average"]
    older = {name: value for name, value in content["hyperparameters"].items() if name not in newer}
    assert len(older) == len(content["hyperparameters"]) - len(newer)
    write(tmp_path, content | {"hyperparameters": older})
    back = load(tmp_path, CPU)
    assert (back.hyperparameters, back.epoch, back.average) == (TINY, 2, None)


def test_a_checkpoint_without_the_average_that_it_should_have_is_refused(tmp_path: Path) -> None:
    save(start(TINY.model_copy(update={"ema_decay": 0.9}), seed=3, number=5, device=CPU), tmp_path)
    content = torch.load(BytesIO((tmp_path / FILE).read_bytes()[32:]), weights_only=True)
    write(tmp_path, content | {"average": None})
    with pytest.raises(CheckpointError, match="can't be read as a checkpoint"):
        load(tmp_path, CPU)


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint of this content, with the digest that fits."""
    stored = BytesIO()
    torch.save(content, stored)
    (folder / FILE).write_bytes(sha256(stored.getvalue()).digest() + stored.getvalue())


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_another_file_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    if damage is not None:
        (tmp_path / FILE).write_bytes(damage)
    with pytest.raises(CheckpointError, match="can't be read"):
        load(tmp_path, CPU)


def test_a_damaged_checkpoint_is_refused_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(begin(), tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / FILE).write_bytes(content)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(CheckpointError, match="its SHA-256 does not fit"):
        load(tmp_path, CPU)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save(begin(), tmp_path)
    content = torch.load(BytesIO((tmp_path / FILE).read_bytes()[32:]), weights_only=True)
    content["hyperparameters"]["conv1_width"] = 3
    write(tmp_path, content)
    with pytest.raises(CheckpointError, match="size mismatch"):
        load(tmp_path, CPU)
