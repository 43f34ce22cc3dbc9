"""The number of threads that a network trains fastest with, by a short measurement: for a small one more don't help."""

from dataclasses import replace

import torch

from model.data import Dataset, Split
from model.hyperparameters import Hyperparameters
from model.precision import Precision
from model.train import fit, start

STEPS, REPEATS = 8, 3  # optimizer steps of one measurement; the best of so many counts
WORTH = 1.1  # so many times as fast must more threads be


def fastest_threads(hyperparameters: Hyperparameters, data: Dataset, most: int, precision: Precision) -> int:
    """Return how many threads, of 1, 2, 4, ... up to `most`, the network trains fastest with on this CPU.

    A larger number is only taken where it is worth it: `WORTH` times as fast as the one before.
    """
    before = torch.get_num_threads()
    try:
        chosen, speed = 1, _images_per_second(hyperparameters, data, 1, precision)
        while 2 * chosen <= most:
            faster = _images_per_second(hyperparameters, data, 2 * chosen, precision)
            if faster < WORTH * speed:
                break
            chosen, speed = 2 * chosen, faster
        return chosen
    finally:
        torch.set_num_threads(before)


def _images_per_second(hyperparameters: Hyperparameters, data: Dataset, threads: int, precision: Precision) -> float:
    torch.set_num_threads(threads)
    rows = slice(STEPS * hyperparameters.batch_size)
    few = Split(data.train.images[rows], data.train.labels[rows])
    little = replace(data, train=few, val=few)
    again = hyperparameters.model_copy(update={"epochs": REPEATS})
    with torch.random.fork_rng(devices=[]):
        training = start(again, seed=0, number=0, device=torch.device("cpu"))
        return max(metrics.images_per_second for metrics in fit(training, little, precision))
