"""A search whose trials train nothing: python -m benchmarks.nothing CONFIG [the words of `python -m search run`]

Each trial reports its epochs at once, the last one with a checkpoint of an untrained network, as a trial hands over its
own. All else is the product's: what such a search takes is what trials cost beyond their training.
"""

import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import save
from model.hyperparameters import Hyperparameters
from model.train import start


def run_nothing(config: dict[str, Any], data: dict[str, Any]) -> None:
    """Report the epochs of the trial that `config` describes; takes the place of `search.on_ray.trial.run_trial`."""
    from ray import tune

    hyperparameters = Hyperparameters(**config["hyperparameters"])
    state = start(hyperparameters, seed=config["seed"], number=config["number"], device=torch.device("cpu"))
    about = {"node": socket.gethostname(), "device": "cpu", "gpu": [], "num_parameters": 1}
    for epoch in range(1, hyperparameters.epochs + 1):
        figures = {"train_loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.9, "seconds": 0.0, "images_per_second": 1.0}
        metrics = {"epoch": epoch, **figures, "about": about}
        if epoch < hyperparameters.epochs:
            tune.report(metrics)
            continue
        state.epoch = epoch
        with tempfile.TemporaryDirectory() as folder:
            save(state, Path(folder))
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def main() -> None:
    from search.on_ray.environment import set_environment

    set_environment(private=True)  # before Ray is imported
    from benchmarks import nothing
    from search.cli import app
    from search.on_ray import tuning

    tuning.run_trial = nothing.run_nothing  # type: ignore[attr-defined]  # by whose module workers import it
    app(["run", *sys.argv[1:]])


if __name__ == "__main__":
    main()
