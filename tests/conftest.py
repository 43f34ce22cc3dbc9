"""Fixtures for all tests: a tiny learnable data set in MNIST's own files, and the folder of the real one."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest


def write_idx(folder: Path, train: int, test: int) -> None:
    """Write images whose class shows as a bright bar, with noise, as MNIST's four files."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = generator.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 2 * label : 6 + 2 * label, 4:24] = 250
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes()
        )
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torchvision root with 600 training and 100 test images."""
    root = tmp_path_factory.mktemp("data")
    write_idx(root / "MNIST" / "raw", train=600, test=100)
    return root


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The real MNIST's root, from DIGIT_SEARCH_DATA."""
    folder = os.environ.get("DIGIT_SEARCH_DATA")
    if not folder or not (Path(folder) / "MNIST").exists():
        pytest.skip("DIGIT_SEARCH_DATA names no folder that holds MNIST")
    return Path(folder)
