"""Fixtures for all tests: a tiny learnable data set in MNIST's own files, the folder of the real one, Ray, searches."""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from search.on_ray.environment import set_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from search.experiment import Experiment
    from search.winner import Outcome

set_environment(private=True)  # as the command does, before anything here imports Ray


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


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[None]:
    """One small private Ray for a module."""
    from tests.searches import private_ray

    with private_ray(num_cpus=2, num_gpus=0):
        yield


@pytest.fixture(scope="module")
def declared_gpus() -> Iterator[None]:
    """Eight CPUs and four GPUs that Ray only believes in; trials take the CPU for them."""
    from tests.harness import patched
    from tests.searches import private_ray

    with pytest.MonkeyPatch.context() as patch:
        for name, value in patched("declared_gpus").items():
            patch.setenv(name, value)
        with private_ray(num_cpus=8, num_gpus=4):
            yield


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A headless browser for the pages of a module."""
    from tests.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def go(tiny_root: Path, tmp_path: Path) -> "Callable[..., Outcome]":
    """Run (or resume) a search of this test: through Ray, unless the options name another `connect`."""
    from search.progress import Progress
    from search.run import run_search

    def run(wanted: "Experiment", name: str = "run", **options: Any) -> "Outcome":
        options = {"resume": True, "data": tiny_root, **options}
        return run_search(wanted, tmp_path / name, Progress(quiet=True), **options)

    return run


@pytest.fixture
def go_without(go: "Callable[..., Outcome]") -> "Callable[..., Outcome]":
    """Run (or resume) a search of this test without Ray."""
    from tests.without_ray import without_ray

    return lambda *words, **named: go(*words, **{"connect": without_ray(), **named})


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Pictures are small: on a busy machine threads would wait for each other longer than they work."""
    from tests.harness import torch_threads  # which imports torch

    with torch_threads(1):
        yield
