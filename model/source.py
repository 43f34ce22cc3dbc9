"""Sources of images: the files of MNIST and its like, downloaded once, or scikit-learn's digits."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model import idx
from model.catalogue import FALLBACK
from model.division import divided
from model.errors import ConfigError, summary
from model.files import expanded
from model.limits import bounded

KINDS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}  # names of torchvision's classes
DIGITS = [str(digit) for digit in range(10)]
CONNECT_TIMEOUT = 10.0  # seconds; torchvision itself would wait forever behind a firewall
WANTED = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"


class DataError(ConfigError):
    """Raised for a data set that cannot be read or downloaded, or that has too few images."""


@dataclass(frozen=True)
class Split:
    """Images (N, 28, 28) uint8 and labels (N,) int64, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def data_root(folder: str | Path | None = None) -> Path:
    """Return the folder of the data sets: `folder`, else DIGIT_SEARCH_DATA, else the user's cache directory.

    For a user without a home folder that is data/ in the working directory.
    """
    if chosen := folder or os.environ.get("DIGIT_SEARCH_DATA"):
        return expanded(chosen).absolute()
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("digit-search"))
    except RuntimeError:
        return Path("data").absolute()


def torchvision_set(name: str, root: Path) -> tuple[str, list[str], Split, Split]:
    """Return name, classes, training and test images of a torchvision data set. Raises: DataError."""
    parts = on_disk(name, root)
    if parts is None:
        _download(name, root)
        parts = on_disk(name, root)
    assert parts
    return name, DIGITS if name == "mnist" else list(_torchvision(name).classes), *parts


def on_disk(name: str, root: Path) -> tuple[Split, Split] | None:
    """Return training and test images of a data set whose files are in `root`; None where they are not.

    Raises: DataError for damaged ones.
    """
    raw = root / KINDS[name] / "raw"
    files = [(raw / f"{part}-images-idx3-ubyte", raw / f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")]
    there = all(os.path.lexists(path) for pair in files for path in pair)  # a broken link is reported, not replaced
    try:
        with bounded():
            if not there:
                return _under_other_names(name, raw, root)
            train, test = (_read_split(images, labels) for images, labels in files)
    except Exception as error:  # whatever a damaged file leads to
        raise DataError(
            f"{raw}: its files of {name} can't be read ({summary(error)}); delete them to have them downloaded "
            "again, or name another folder with --data DIR or DIGIT_SEARCH_DATA"
        ) from error
    return train, test


def images_at_hand(name: str, root: Path) -> Tensor | None:
    """Return the test images (N, 28, 28), uint8, of a data set, without a download; None where they are not in `root`.

    Raises: DataError for damaged files.
    """
    if name == FALLBACK:
        return uci_digits()[3].images
    parts = on_disk(name, root) if name in KINDS else None
    return parts and parts[1].images


def _torchvision(name: str) -> Any:
    """Return torchvision's class of a data set; its import takes longer than to read the files."""
    from torchvision import datasets

    return getattr(datasets, KINDS[name])


def _under_other_names(name: str, raw: Path, root: Path) -> tuple[Split, Split] | None:
    """Return training and test images of files that are the data set by their contents; None where there are none."""
    if not (found := idx.find(name, raw, root)):
        return None
    train, test = (
        _checked(Split(found[f"{part} images"], found[f"{part} labels"].long()), f"{part} images", f"{part} labels")
        for part in ("train", "test")
    )
    return train, test


def _read_split(images: Path, labels: Path) -> Split:
    """Read one pair of IDX files. Raises: ValueError."""
    return _checked(Split(idx.read(images), idx.read(labels).long()), images.name, labels.name)


def _checked(split: Split, images: str, labels: str) -> Split:
    """Return `split`. Raises: ValueError, with the names of its files, where it is not one of 28x28 and ten classes."""
    if split.images.shape != (len(split), 28, 28):
        raise ValueError(f"{labels} has {len(split)} labels, {images} {tuple(split.images.shape)} pixels")
    if len(split) == 0 or int(split.labels.max()) > 9:
        raise ValueError(f"{labels} has no labels, or others than 0 to 9")
    return split


def _download(name: str, root: Path) -> None:
    """Download the files into `root`, one process at a time, with torchvision's progress bar. Raises: DataError."""
    from filelock import FileLock

    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"), _connect_timeout():
            _torchvision(name)(root, train=True, download=True)
    except Exception as error:  # torchvision lets through whatever urllib, zlib and the file system raise
        raw = root / KINDS[name] / "raw"
        present = [str(path) for folder in (raw, raw.parent, root) for path in idx.alike(folder)]
        found = f" (found: {', '.join(present[:8])})" if present else ""
        raise DataError(
            f"{name} is not in {root} and can't be downloaded ({summary(error)}); remedy: put its files {WANTED}, "
            f".gz or not, into {raw}{found}, or name a folder that holds them with --data DIR or DIGIT_SEARCH_DATA"
        ) from error


@contextmanager
def _connect_timeout() -> Iterator[None]:
    """Limit how long the body waits for a connection."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def uci_digits() -> tuple[str, list[str], Split, Split]:
    """Return scikit-learn's digits, scaled from 8x8 to 20x20 and put in the middle of 28x28, as MNIST's are."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    small = torch.tensor(raw.images, dtype=torch.float32).unsqueeze(1) * (255 / 16)
    large = torch.nn.functional.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False)
    images = torch.nn.functional.pad(large, (4, 4, 4, 4)).squeeze(1).clamp(0, 255).to(torch.uint8)
    everything = Split(images, torch.tensor(raw.target, dtype=torch.int64))
    rows, test_rows = divided(range(len(everything)), everything.labels, len(everything) - 300, seed=0)
    return FALLBACK, DIGITS, take(everything, rows), take(everything, test_rows)


def take(split: Split, rows: list[int]) -> Split:
    """Return these rows of `split`, in ascending order."""
    chosen = torch.tensor(sorted(rows), dtype=torch.int64)
    return Split(split.images[chosen], split.labels[chosen])
