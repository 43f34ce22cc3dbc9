"""Data sets as uint8 tensors: loaded once, split by seed, kept on the device and normalised batch by batch."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model.catalogue import FALLBACK
from model.division import divided
from model.source import DataError, Split, data_root, take, torchvision_set, uci_digits

HELD_BACK = 5  # of so many validation images one is not trained on by a refit
__all__ = ["DataError", "Dataset", "Split", "data_root", "load_dataset", "normalise"]


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test images, with the classes' names and the statistics that normalise a batch.

    `mean` and `std` are those of the training images' pixels, in [0, 1]. `rest` holds the training images beyond the
    limit `train_images`; only a refit uses them.
    """

    name: str
    classes: tuple[str, ...]
    mean: float
    std: float
    train: Split
    val: Split
    test: Split
    rest: Split

    def for_refit(self, hold_back: bool = True) -> "Dataset":
        """Return this data set with `rest` and four fifths of the validation images in `train`, the others in `val`.

        Those held back are every fifth image of each class: a refit is checked and calibrated on them. Without
        `hold_back` there are none, as in refits of earlier versions.
        """
        held = torch.zeros(len(self.val), dtype=torch.bool)
        held[self.val.labels.argsort(stable=True)[::HELD_BACK]] = hold_back
        parts = (self.train, _where(self.val, ~held), self.rest)
        trained = Split(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))
        return replace(self, train=trained, val=_where(self.val, held), rest=empty_like(self.rest))


def _where(split: Split, chosen: Tensor) -> Split:
    """Return the images of `split` at which `chosen` (N,) is true."""
    return Split(split.images[chosen], split.labels[chosen])


def empty_like(split: Split) -> Split:
    """Return a split of no images, of the type and on the device of `split`."""
    return Split(split.images[:0], split.labels[:0])


def load_dataset(
    name: str = "mnist",
    root: Path | None = None,
    *,
    validation_images: int = 10_000,
    train_images: int | None = None,
    seed: int = 0,
    fallback: bool = False,
) -> Dataset:
    """Load the data set `name` and split its training images by `seed`, stratified; download it if it is absent.

    `train_images` limits the training images that are left after the validation split. With `fallback`, a data set
    that can't be read or downloaded is replaced by scikit-learn's digits (`Dataset.name` says so). Raises: DataError.
    """
    root = root or data_root()
    if name == FALLBACK:
        return _split(*uci_digits(), validation_images, train_images, seed)
    try:
        parts = torchvision_set(name, root)
    except DataError:
        if not fallback:
            raise
        return load_dataset(FALLBACK, root, validation_images=300, seed=seed)
    return _split(*parts, validation_images, train_images, seed)


def normalise(images: Tensor, mean: float, std: float) -> Tensor:
    """Return images (B, 28, 28), of 0 to 255, as floats (B, 1, 28, 28), less the data's `mean` and over its `std`."""
    return images.unsqueeze(1).to(torch.float32, copy=True).sub_(255 * mean).div_(255 * std)


def _split(
    name: str, classes: list[str], train: Split, test: Split, validation_images: int, limit: int | None, seed: int
) -> Dataset:
    """Split a data set's training images and measure their pixels. Raises: DataError where too few are left."""
    if len(train) < 200:
        raise DataError(f"{name} has only {len(train)} training images, fewer than 200; put the whole files in place")
    if validation_images + 100 > len(train):
        raise DataError(
            f"data.validation_images = {validation_images} leaves fewer than 100 of {name}'s {len(train)} training "
            f"images to train on; choose at most {len(train) - 100}"
        )
    rest: list[int] = []
    rows, val_rows = divided(range(len(train)), train.labels, len(train) - validation_images, seed)
    if limit is not None and limit > len(rows):
        raise DataError(
            f"data.train_images = {limit}: {name} has {len(rows)} images left after validation; use at most that many"
        )
    if limit is not None and limit < len(rows):
        rows, rest = divided(rows, train.labels, limit, seed)
    counts = torch.bincount(train.images.flatten(), minlength=256).double()
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean = float((counts * levels).sum() / counts.sum())
    std = float(((counts * (levels - mean) ** 2).sum() / counts.sum()).sqrt())
    if len(counts.nonzero()) < 2:
        raise DataError(f"the training images of {name} are all of one colour; put the real files in their place")
    return Dataset(
        name,
        tuple(classes),
        mean,
        std,
        train=take(train, rows),
        val=take(train, val_rows),
        test=test,
        rest=take(train, rest),
    )
