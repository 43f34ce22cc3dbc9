"""Train every point of a small space on several seeds: python -m benchmarks.grid OUT.csv

benchmarks/samplers.py replays searches on the result. What OUT.csv holds already is not trained again, so the command
may be interrupted.
"""

import itertools
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainings import Rows, Task, train_all
from model.data import Dataset, load_dataset
from model.hyperparameters import Hyperparameters
from model.train import fit, start

FIXED: dict[str, Any] = {
    "optimizer": "adamw",
    "schedule": "one-cycle",
    "pool": "early",
    "batch_norm": True,
    "conv1_width": 8,
    "hidden_width": 64,
    "batch_size": 128,
    "epochs": 6,
}
SEARCHED: dict[str, list[Any]] = {
    "learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "conv2_width": [16, 32],
    "kernel_size": [3, 5],
    "dropout1": [0.0, 0.25, 0.5],
    "dropout2": [0.0, 0.3, 0.6],
}
SEEDS = 3
TRAIN_IMAGES, VALIDATION_IMAGES = 3_000, 3_000


def main(out: str) -> None:
    points = itertools.product(range(SEEDS), *SEARCHED.values())
    tasks = [(*point, seed) for seed, *point in points]
    train_all(Path(out), [*SEARCHED, "seed", "epoch", "val_accuracy"], tasks, _train)


@cache
def _data() -> Dataset:
    """Return the images, loaded once per process."""
    return load_dataset("mnist", validation_images=VALIDATION_IMAGES, train_images=TRAIN_IMAGES)


def _train(task: Task) -> Rows:
    """Return the rows of one training."""
    *point, seed = task
    hyperparameters = Hyperparameters(**FIXED, **dict(zip(SEARCHED, point, strict=True)))
    state = start(hyperparameters, seed=seed, number=0, device=torch.device("cpu"))
    return [[*task, metrics.epoch, round(metrics.val_accuracy, 4)] for metrics in fit(state, _data())]


if __name__ == "__main__":
    main(*sys.argv[1:])
