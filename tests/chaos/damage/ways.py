"""Ways to damage a file, the check that it is refused, and a run on which nothing is trained.

CHAOS_FLIPS bits (default 200) are flipped in each file, one at a time; not in a study, as SQLite has no checksums.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from model.data import Dataset
from search.experiment import Experiment
from search.progress import Progress
from search.stages import Run
from search.store import location

FLIPS = int(os.environ.get("CHAOS_FLIPS", "200"))
PAGE = 4096
CPU = torch.device("cpu")
TRIALS = 12


def metrics(epoch: int, accuracy: float) -> dict[str, Any]:
    values = {"train_loss": 1.0, "val_loss": 1.0, "seconds": 2.0, "images_per_second": 1000.0, "clock": 7.0}
    return {"epoch": epoch, "val_accuracy": accuracy, **values}


def run_of(run_dir: Path, experiment: Experiment, dataset: Dataset) -> Run:
    """Return the run in a folder as a command that resumes it sees it."""
    return Run(run_dir, experiment, dataset, "", location.open_storage(run_dir), Progress(quiet=True))


def torn(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (what was done, contents) of a file cut at each page and before its last byte."""
    for length in sorted({*range(0, len(whole), PAGE), len(whole) - 1}):
        yield f"cut to {length} of {len(whole)} bytes", whole[:length]


def flipped(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (what was done, contents) of a file with one random bit flipped."""
    generator = random.Random(len(whole))
    for _ in range(FLIPS):
        byte, bit = generator.randrange(len(whole)), generator.randrange(8)
        damaged = bytearray(whole)
        damaged[byte] ^= 1 << bit
        yield f"bit {bit} of byte {byte} flipped", bytes(damaged)


def damage(path: Path) -> Iterator[str]:
    """Damage the file in one way after another, yield what was done, and restore it at the end."""
    whole = path.read_bytes()
    for how, contents in (*torn(whole), *flipped(whole)):
        path.write_bytes(contents)
        yield f"{path.name}: {how}"
    path.write_bytes(whole)


def refused(read: Callable[[], Any], error: type[Exception], how: str, expected: Any = None) -> bool:
    """Return whether `read` raised `error`, in one line; assert that it returned `expected` if not."""
    try:
        found = read()
    except error as caught:
        lines = str(caught).splitlines()
    else:
        lines = []
        assert found == expected, how
    assert len(lines) <= 1, how
    return bool(lines)
