"""MNIST as people keep it: under other distributors' names, gzipped once or twice, in the folder itself, offline."""

import gzip
import shutil
import socket
import struct
from pathlib import Path

import pytest
import torch

from model import idx
from model.data import load_dataset
from model.source import WANTED, DataError

NAMES = [name.strip() for name in WANTED.replace(" and ", ", ").split(",")]
OTHERS = ["train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **_named: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def zipped(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content, 1)
    return content


@pytest.mark.parametrize(
    ("place", "names", "times"),
    [
        (".", OTHERS, 0),
        ("MNIST", OTHERS, 1),
        ("MNIST/raw", [f"{name}.gz" for name in NAMES], 2),
        (".", list("abcd"), 1),
    ],
)
def test_files_are_known_by_their_contents(
    place: str, names: list[str], times: int, mnist_root: Path, tmp_path: Path
) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name, other in zip(NAMES, names, strict=True):
        content = (mnist_root / "MNIST" / "raw" / name).read_bytes()
        (tmp_path / place / other).write_bytes(zipped(content, times))
    (tmp_path / place / "notes.gz").write_bytes(b"\x1f\x8bno gzip file")
    found, known = load_dataset("mnist", tmp_path), load_dataset("mnist", mnist_root)
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(found, part).images, getattr(known, part).images)
        assert torch.equal(getattr(found, part).labels, getattr(known, part).labels)


def test_other_data_sets_of_the_same_shape_are_not_taken_for_mnist(mnist_root: Path, tmp_path: Path) -> None:
    for name, other in zip(NAMES, OTHERS, strict=True):
        shutil.copyfile(mnist_root / "MNIST" / "raw" / name, tmp_path / other)
    content = bytearray((tmp_path / OTHERS[0]).read_bytes())
    content[1000] ^= 1
    (tmp_path / OTHERS[0]).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", tmp_path)
    said = str(caught.value)
    assert all(name in said for name in NAMES)
    found = ", ".join(str(tmp_path / other) for other in sorted(OTHERS))
    assert f"into {tmp_path / 'MNIST' / 'raw'} (found: {found}), or name" in said
    with pytest.raises(DataError, match="fashion-mnist is not in"):
        load_dataset("fashion-mnist", tmp_path)
    folder = tmp_path / "FashionMNIST"  # there they are what the folder says
    folder.mkdir(exist_ok=True)
    for other in OTHERS:
        (tmp_path / other).rename(folder / other)
    assert len(load_dataset("fashion-mnist", tmp_path).test) == 10_000


def test_files_of_other_classes_are_refused_as_by_their_own_names(mnist_root: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, other in zip(NAMES, OTHERS, strict=True):
        shutil.copyfile(mnist_root / "MNIST" / "raw" / name, raw / other)
    labels = bytearray((raw / OTHERS[1]).read_bytes())
    labels[-1] = 26
    (raw / OTHERS[1]).write_bytes(labels)
    with pytest.raises(DataError, match="train labels has no labels, or others than 0 to 9"):
        load_dataset("mnist", tmp_path)
    shutil.copyfile(mnist_root / "MNIST" / "raw" / NAMES[1], raw / "more-labels")
    with pytest.raises(DataError, match="can't be downloaded"):  # which labels belong to the images?
        load_dataset("mnist", tmp_path)


def test_a_bomb_takes_no_more_than_a_file_may(tmp_path: Path) -> None:
    bomb = gzip.compress(struct.pack(">IIII", 2051, 60_000, 28, 28) + bytes(3 * idx.MAX_BYTES), 1)
    (tmp_path / "bomb.gz").write_bytes(bomb)
    assert list(idx.alike(tmp_path)) == [tmp_path / "bomb.gz"]
    assert len(idx._unzipped(bomb)) == idx.MAX_BYTES
    assert idx.find("mnist", tmp_path, tmp_path) is None
