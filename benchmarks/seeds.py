"""Train a configuration again on fresh seeds: python -m benchmarks.seeds OUT.csv CONFIGURATION [N [PART [PRECISION]]]

CONFIGURATION is the export folder of a run, whose hyperparameters are taken, a TOML file in which nothing is searched,
or `recipe` for the article's. With the PART `test`, each training is a refit, on all training images but those that a
refit keeps back, scored on the test images; with `val` it has 50,000 training images and is scored on the 10,000
others, as comes before a choice. PRECISION is float32 or bfloat16; each has a file of its own. It prints the mean with
its 95 % interval. What OUT.csv holds already is not trained again. All trainings share the GPU where there is one.
"""

import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.trainings import Rows, Task, train_all
from model.card import read_card
from model.data import Dataset, Split, load_dataset
from model.hyperparameters import RECIPE, Hyperparameters
from model.precision import Precision
from model.train import evaluate, fit, start
from search.experiment import load_experiment
from search.space import complete
from search.strategy.racing import half_interval

FIRST = 1000  # seeds that no search has used
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
COLUMNS = ["configuration", "part", "seed", "epochs", "val_accuracy", "test_accuracy", "seconds"]


def main(out: str, configuration: str, seeds: str = "5", part: str = "test", precision: Any = "float32") -> None:
    assert int(seeds) > 1, f"{seeds} seed has no interval; train two or more"
    tasks = [(configuration, part, FIRST + index) for index in range(int(seeds))]
    train_all(Path(out), COLUMNS, tasks, partial(_train, precision=precision))
    table = pd.read_csv(out)
    table = table[(table.configuration == configuration) & (table.part == part)]
    accuracy = table[f"{part}_accuracy"]
    half = half_interval(accuracy.tolist())
    print(f"{configuration}: {part} {accuracy.mean():.2%} ± {100 * half:.2f} (95 % interval, n = {len(accuracy)}), "
          f"{table.seconds.mean():.0f} s each side by side")  # fmt: skip


def _train(task: Task, precision: Precision) -> Rows:
    """Return the row of one training."""
    configuration, part, seed = task
    data = _data(part)
    torch.backends.cudnn.deterministic = True  # as in a search
    state = start(_hyperparameters(configuration), seed=seed, number=0, device=DEVICE)
    epochs = list(fit(state, data, precision))
    test: Any = evaluate(state.trained, data.test, data.mean, data.std)[1] if part == "test" else ""
    seconds = round(sum(metrics.seconds for metrics in epochs), 1)
    return [[configuration, part, seed, len(epochs), epochs[-1].val_accuracy, test, seconds]]


@cache
def _data(part: str) -> Dataset:
    """Return the images of a refit, or with `val` those of a search, on the device; loaded once per process."""
    data = load_dataset("mnist").for_refit() if part == "test" else load_dataset("mnist", validation_images=10_000)
    return replace(data, train=_moved(data.train), val=_moved(data.val), test=_moved(data.test))


def _moved(split: Split) -> Split:
    """Return `split` on the device that trains."""
    return Split(split.images.to(DEVICE), split.labels.to(DEVICE))


def _hyperparameters(configuration: str) -> Hyperparameters:
    """Return the hyperparameters that a configuration names."""
    if configuration == "recipe":
        return RECIPE
    if configuration.endswith(".toml"):
        space = load_experiment(Path(configuration)).space
        assert not space.searched, f"{configuration} searches {list(space.searched)}; fix them"
        return complete(space, {})
    return read_card(Path(configuration)).hyperparameters


if __name__ == "__main__":
    main(*sys.argv[1:])
