"""Data sets as uint8 tensors: loaded once, split by seed, kept on the device and normalised batch by batch."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.catalogue import FALLBACK

CONNECT_TIMEOUT = 10.0  # seconds; torchvision itself would wait for ever behind a firewall


class DataError(Exception):
    """The data set can't be had; the message is one line with the remedy."""


@dataclass(frozen=True)
class Split:
    """Images (N, 28, 28) uint8 and labels (N,) int64, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test images, with the classes' names and the statistics that normalise a batch.

    `rest` are the training images beyond the limit `train_images`; only a refit uses them.
    """

    name: str
    classes: tuple[str, ...]
    mean: float
    std: float
    train: Split
    val: Split
    test: Split
    rest: Split

    def for_refit(self) -> "Dataset":
        """The same with every training and validation image to train on. `val` stays: its images are seen then."""
        parts = (self.train, self.val, self.rest)
        everything = Split(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))
        return replace(self, train=everything, rest=empty_like(self.rest))


def empty_like(split: Split) -> Split:
    return Split(split.images[:0], split.labels[:0])


def data_root(folder: str | Path | None = None) -> Path:
    """The folder of the data sets: `folder`, else DIGIT_SEARCH_DATA, else the user's cache."""
    if chosen := folder or os.environ.get("DIGIT_SEARCH_DATA"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("digit-search"))


def load_dataset(
    name: str = "mnist",
    root: Path | None = None,
    *,
    validation_images: int = 10_000,
    train_images: int | None = None,
    seed: int = 0,
    fallback: bool = False,
) -> Dataset:
    """Load `name`, downloading it once if it is absent, and split the training images by `seed`, stratified.

    `train_images` limits what is left for training after the validation split. With `fallback`, a data set that
    can't be had is replaced by scikit-learn's digits (`Dataset.name` says so). Raises DataError.
    """
    root = root or data_root()
    if name == FALLBACK:
        return _split(*_uci_digits(), validation_images, train_images, seed)
    try:
        parts = _torchvision_set(name, root)
    except DataError:
        if not fallback:
            raise
        return load_dataset(FALLBACK, root, validation_images=300, seed=seed)
    return _split(*parts, validation_images, train_images, seed)


def batches(
    split: Split, batch_size: int, mean: float, std: float, order: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised float images (B, 1, 28, 28) and labels (B,), in `order` (a permutation of the rows) if given."""
    for start in range(0, len(split), batch_size):
        rows: Tensor | slice = slice(start, start + batch_size)
        if order is not None:
            rows = order[rows]
        yield normalise(split.images[rows], mean, std), split.labels[rows]


def normalise(images: Tensor, mean: float, std: float) -> Tensor:
    """uint8 images (B, 28, 28) to floats (B, 1, 28, 28) with the data set's mean and deviation removed."""
    return images.unsqueeze(1).float().sub_(255 * mean).div_(255 * std)


def _split(
    name: str, classes: list[str], train: Split, test: Split, validation_images: int, limit: int | None, seed: int
) -> Dataset:
    from sklearn.model_selection import train_test_split

    if validation_images + 100 > len(train):
        raise DataError(
            f"data.validation_images = {validation_images} leaves fewer than 100 of {name}'s {len(train)} training "
            f"images to train on; choose at most {len(train) - 100}"
        )
    rest: list[int] = []
    rows, val_rows = train_test_split(
        range(len(train)), test_size=validation_images, stratify=train.labels, random_state=seed
    )
    if limit is not None and limit > len(rows):
        raise DataError(
            f"data.train_images = {limit}: {name} has {len(rows)} images left after validation; use at most that many"
        )
    if limit is not None and limit < len(rows):
        # A rest of fewer images than classes can't be stratified.
        strata = train.labels[rows] if len(rows) - limit >= 10 else None
        rows, rest = train_test_split(rows, train_size=limit, stratify=strata, random_state=seed)
    counts = torch.bincount(train.images.flatten(), minlength=256).double()
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean = float((counts * levels).sum() / counts.sum())
    std = float(((counts * (levels - mean) ** 2).sum() / counts.sum()).sqrt())
    return Dataset(
        name,
        tuple(classes),
        mean,
        std,
        train=_take(train, rows),
        val=_take(train, val_rows),
        test=test,
        rest=_take(train, rest),
    )


def _take(split: Split, rows: list[int]) -> Split:
    chosen = torch.tensor(sorted(rows), dtype=torch.int64)
    return Split(split.images[chosen], split.labels[chosen])


def _torchvision_set(name: str, root: Path) -> tuple[str, list[str], Split, Split]:
    from torchvision import datasets

    kinds: dict[str, Any] = {
        "mnist": datasets.MNIST,
        "fashion-mnist": datasets.FashionMNIST,
        "kmnist": datasets.KMNIST,
    }
    kind = kinds[name]
    try:
        parts = [kind(root, train=train, download=False) for train in (True, False)]
    except Exception as error:  # for damaged files torchvision raises whatever its parser meets first
        if "Dataset not found" in str(error):
            _download(kind, name, root)
            return _torchvision_set(name, root)
        raise DataError(
            f"the files of {name} in {root} can't be read ({_first_line(error)}); delete {root / kind.__name__} "
            "to have them downloaded again"
        ) from error
    splits = [Split(part.data.to(torch.uint8), part.targets.to(torch.int64)) for part in parts]
    for split in splits:
        if split.images.shape != (len(split), 28, 28) or len(split) == 0 or int(split.labels.max()) > 9:
            raise DataError(f"the files of {name} in {root} don't hold 28x28 images of ten classes; delete them")
    classes = [["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] if name == "mnist" else list(parts[0].classes)][0]
    return name, classes, splits[0], splits[1]


def _download(kind: Any, name: str, root: Path) -> None:
    """Fetch the files into `root`, by one process at a time, with torchvision's progress bar."""
    from filelock import FileLock

    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"), _connect_timeout():
            kind(root, train=True, download=True)
    except Exception as error:  # torchvision lets through whatever urllib, zlib and the file system raise
        raise DataError(
            f"{name} is not in {root} and can't be downloaded ({_first_line(error)}); remedy: put its files into "
            f"{root / kind.__name__ / 'raw'}, or name a folder that holds them with --data DIR or DIGIT_SEARCH_DATA"
        ) from error


@contextmanager
def _connect_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _uci_digits() -> tuple[str, list[str], Split, Split]:
    """scikit-learn's digits, scaled from 8x8 to 20x20 and put in the middle of 28x28, as MNIST's are."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    raw = load_digits()
    small = torch.tensor(raw.images, dtype=torch.float32).unsqueeze(1) * (255 / 16)
    large = torch.nn.functional.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False)
    images = torch.nn.functional.pad(large, (4, 4, 4, 4)).squeeze(1).clamp(0, 255).to(torch.uint8)
    everything = Split(images, torch.tensor(raw.target, dtype=torch.int64))
    rows, test_rows = train_test_split(range(len(everything)), test_size=300, stratify=raw.target, random_state=0)
    return FALLBACK, [str(digit) for digit in range(10)], _take(everything, rows), _take(everything, test_rows)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
