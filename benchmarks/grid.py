"""Train every point of a small space on several seeds: python -m benchmarks.grid OUT.csv [DATA]

benchmarks/samplers.py replays searches on the result. What OUT.csv holds already is not trained again, so the command
may be interrupted. Each process trains one network in one thread.
"""

import csv
import itertools
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import torch

from model.data import Dataset, data_root, load_dataset
from model.hyperparameters import Hyperparameters
from model.train import fit, start

FIXED = {
    "optimizer": "adamw",
    "schedule": "one-cycle",
    "pool": "early",
    "batch_norm": True,
    "hidden_width": 64,
    "batch_size": 128,
    "epochs": 6,
}
SEARCHED: dict[str, list[Any]] = {
    "learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "conv1_width": [8, 16],
    "conv2_width": [16, 32],
    "kernel_size": [3, 5],
    "dropout1": [0.0, 0.25, 0.5],
    "dropout2": [0.0, 0.3, 0.6],
}
SEEDS = 3
TRAIN_IMAGES, VALIDATION_IMAGES = 5_000, 5_000
COLUMNS = [*SEARCHED, "seed", "epoch", "val_accuracy"]
_data: Dataset | None = None


def main(out: str, root: str | None = None) -> None:
    path = Path(out)
    done = set()
    if path.exists():
        with path.open(newline="") as file:
            done = {tuple(row[name] for name in COLUMNS[:-2]) for row in csv.DictReader(file)}
    tasks = [
        (*point, seed)
        for seed in range(SEEDS)
        for point in itertools.product(*SEARCHED.values())
        if tuple(map(str, (*point, seed))) not in done
    ]
    with (
        path.open("a", newline="") as file,
        multiprocessing.get_context("spawn").Pool(os.cpu_count(), _load, (root,)) as pool,
    ):
        writer = csv.writer(file)
        if not done:
            writer.writerow(COLUMNS)
        for number, rows in enumerate(pool.imap_unordered(_train, tasks), 1):
            writer.writerows(rows)
            file.flush()
            print(f"{number} of {len(tasks)}: {rows[-1]}", flush=True)


def _load(root: str | None) -> None:
    """Load the images once per process."""
    global _data
    torch.set_num_threads(1)
    folder = data_root(Path(root) if root else None)
    _data = load_dataset("mnist", folder, validation_images=VALIDATION_IMAGES, train_images=TRAIN_IMAGES)


def _train(task: tuple[Any, ...]) -> list[list[Any]]:
    """Return the rows of one training."""
    assert _data is not None
    *point, seed = task
    hyperparameters = Hyperparameters(**FIXED, **dict(zip(SEARCHED, point, strict=True)))
    state = start(hyperparameters, seed=seed, number=0, device=torch.device("cpu"))
    return [[*task, metrics.epoch, round(metrics.val_accuracy, 4)] for metrics in fit(state, _data)]


if __name__ == "__main__":
    main(*sys.argv[1:])
