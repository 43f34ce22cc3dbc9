"""The other side of a whole search: Optuna alone, n_jobs = 2 and its median pruner, as its documentation shows them.

The trials, their space and their images are those of stock_search.py; it prints the best accuracy on the 10,000 images
that no trial trains on.
"""

import optuna
import torch

from benchmarks.article import accuracies, batches
from benchmarks.stock_search import EPOCHS, TRAINED, TRIALS
from model.network import Net


def objective(trial: optuna.Trial) -> float:
    torch.set_num_threads(1)  # there are as many trials at once as CPUs
    net = Net(
        conv1_width=trial.suggest_categorical("conv1_width", [16, 32, 64]),
        conv2_width=trial.suggest_categorical("conv2_width", [32, 64]),
        dropout1=trial.suggest_float("dropout1", 0.0, 0.5),
        dropout2=trial.suggest_float("dropout2", 0.0, 0.7),
    )
    rate = trial.suggest_float("lr", 0.1, 3.0, log=True)
    loader, others = batches(range(TRAINED), 64), batches(range(TRAINED, 60_000), 1000)
    for epoch, reached in enumerate(accuracies(net, rate, EPOCHS, loader, others)):
        trial.report(reached, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return reached


def main() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())
    study.optimize(objective, n_trials=TRIALS, n_jobs=2)
    print("best", study.best_value, flush=True)


if __name__ == "__main__":
    main()
