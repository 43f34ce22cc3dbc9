"""Train a configuration again on fresh seeds, scored on the test images: python -m benchmarks.seeds OUT.csv EXPORT [N]

EXPORT is the export folder of a run, whose hyperparameters are taken, or `recipe` for the article's. Each training is a
refit: on all training images but those that a refit keeps back. It prints the mean with its 95 % interval. What OUT.csv
holds already is not trained again.
"""

import sys
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from scipy import stats

from benchmarks.trainings import Rows, Task, train_all
from model.card import read_card
from model.data import Dataset, load_dataset
from model.hyperparameters import RECIPE, Hyperparameters
from model.train import evaluate, fit, start

FIRST = 1000  # seeds that no search has used
COLUMNS = ["export", "seed", "epochs", "val_accuracy", "test_accuracy", "seconds"]


def main(out: str, export: str, seeds: str = "5") -> None:
    train_all(Path(out), COLUMNS, [(export, FIRST + index) for index in range(int(seeds))], _train)
    table = pd.read_csv(out)
    accuracy = table.test_accuracy[table.export == export]
    half = stats.sem(accuracy) * stats.t.ppf(0.975, len(accuracy) - 1)
    print(f"{export}: test {accuracy.mean():.2%} ± {100 * half:.2f} (95 % interval, n = {len(accuracy)}), "
          f"{table.seconds[table.export == export].mean():.0f} s each on one thread")  # fmt: skip


@cache
def _data() -> Dataset:
    """Return the images of a refit, loaded once per process."""
    return load_dataset("mnist").for_refit()


def _train(task: Task) -> Rows:
    """Return the row of one training."""
    export, seed = task
    hyperparameters = RECIPE if export == "recipe" else read_card(Path(export)).hyperparameters
    return [[export, seed, *_trained(hyperparameters, seed)]]


def _trained(hyperparameters: Hyperparameters, seed: int) -> tuple[int, float, float, float]:
    """Return epochs, accuracies on validation and test images, and seconds of one training."""
    data = _data()
    state = start(hyperparameters, seed=seed, number=0, device=torch.device("cpu"))
    epochs = list(fit(state, data))
    _, test_accuracy = evaluate(state.trained, data.test, data.mean, data.std)
    return len(epochs), epochs[-1].val_accuracy, test_accuracy, round(sum(metrics.seconds for metrics in epochs), 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
