"""What the environment of workers gains: python -m benchmarks.environment [N]

Seconds of an epoch of 5,000 images with its evaluation on 5,000 others, in a process of its own, as its variables are
read when it starts: with all that search/on_ray/environment.py sets for workers, and without some of it. A network of
`make search` trains in one thread and in all, that of augmented.toml in one; the first also in all threads beside a
process that keeps one CPU busy. Each N times (5), in turn. It prints medians, least and most, the ratios to what
workers have, and one JSON line.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
from pathlib import Path
from unittest import mock

import torch

from benchmarks.training import EARLY
from model.data import load_dataset
from model.hyperparameters import Hyperparameters
from model.machine import usable_cpus
from model.precision import resolved
from model.train import fit, start
from search.experiment import load_experiment
from search.on_ray.environment import OF_WORKERS

WIDE = Hyperparameters(**load_experiment(Path(__file__).with_name("augmented.toml")).space.fixed)
MEMORY = [name for name in OF_WORKERS if name.startswith("MALLOC_")]
LEFT_OUT = {
    "as workers": [],
    "memory given back": MEMORY,
    "threads that sleep at once": ["GOMP_SPINCOUNT"],
    "threads that spin": ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"],
}
EPOCHS = 4  # the first is not counted
BUSY = [sys.executable, "-c", "while True: pass"]


def main(repeats: str = "5") -> None:
    cpus = usable_cpus()
    trainings = {
        "make search, one thread": (EARLY, 1, False),
        "make search, all threads": (EARLY, cpus, False),
        "make search, all threads, beside a busy process": (EARLY, cpus, True),
        "augmented.toml, one thread": (WIDE, 1, False),
    }
    found: dict[str, dict[str, list[float]]] = {}
    for name, (hyperparameters, threads, busy) in trainings.items():
        compared = [side for side in LEFT_OUT if threads > 1 or "threads" not in side]
        found[name] = {side: [] for side in compared}
        for _ in range(int(repeats)):
            for side, seconds in found[name].items():
                seconds.append(_seconds(LEFT_OUT[side], hyperparameters, threads, busy))
        ours = statistics.median(found[name]["as workers"])
        for side, seconds in found[name].items():
            middle, spread = statistics.median(seconds), f"({min(seconds):.2f} to {max(seconds):.2f})"
            print(f"{name}: {side}: {middle:.2f} s {spread}, {middle / ours:.2f} times, n = {repeats}", flush=True)
    print(json.dumps(found))


def _seconds(left_out: list[str], hyperparameters: Hyperparameters, threads: int, busy: bool) -> float:
    """Return the seconds of an epoch in a new process with the environment of workers, but for what is left out."""
    neighbour = subprocess.Popen(BUSY) if busy else None
    try:
        with mock.patch.dict(os.environ, OF_WORKERS):
            for name in left_out:
                del os.environ[name]
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return float(pool.apply(_trained, (hyperparameters, threads)))
    finally:
        if neighbour:
            neighbour.kill()
            neighbour.wait()


def _trained(hyperparameters: Hyperparameters, threads: int) -> float:
    """Return the median seconds of an epoch after the first, in the precision that suits this machine."""
    torch.set_num_threads(threads)
    data = load_dataset("mnist", train_images=5000, validation_images=5000)
    state = start(hyperparameters.model_copy(update={"epochs": EPOCHS}), seed=0, number=0, device=torch.device("cpu"))
    epochs = [metrics.seconds for metrics in fit(state, data, resolved("auto", alone=True))]
    return statistics.median(epochs[1:])


if __name__ == "__main__":
    main(*sys.argv[1:])
