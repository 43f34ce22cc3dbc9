"""The other side of a whole search: Ray Tune with OptunaSearch and ASHA, as their documentation shows them.

12 trials of at most 3 epochs of the article's network, two at a time, on 50,000 images; it prints the best accuracy on
the 10,000 others. Dropout, learning rate and widths are searched.
"""

from typing import Any

import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

TRIALS, EPOCHS = 12, 3
TRAINED = 50_000
SPACE = {
    "conv1_width": tune.choice([16, 32, 64]),
    "conv2_width": tune.choice([32, 64]),
    "dropout1": tune.uniform(0.0, 0.5),
    "dropout2": tune.uniform(0.0, 0.7),
    "lr": tune.loguniform(0.1, 3.0),
}


def train(config: dict[str, Any]) -> None:
    from benchmarks.article import accuracies, batches
    from model.network import Net

    torch.set_num_threads(1)
    rate = config.pop("lr")
    loader, others = batches(range(TRAINED), 64), batches(range(TRAINED, 60_000), 1000)
    for reached in accuracies(Net(**config), rate, EPOCHS, loader, others):
        tune.report({"accuracy": reached})


def main() -> None:
    tuner = tune.Tuner(
        train,
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(),
            scheduler=ASHAScheduler(max_t=EPOCHS),
            metric="accuracy",
            mode="max",
            num_samples=TRIALS,
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(verbose=0),
    )
    print("best", tuner.fit().get_best_result().metrics["accuracy"], flush=True)


if __name__ == "__main__":
    main()
