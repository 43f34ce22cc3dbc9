"""The other side: N trials that do nothing, on Ray Tune with OptunaSearch as its documentation shows."""

import sys
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.search.optuna import OptunaSearch


class Telling(Callback):  # type: ignore[misc]
    """Prints a line for each trial that ends."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        print(f"trial complete {trial.trial_id}", flush=True)


def do_nothing(config: dict[str, float]) -> None:
    tune.report({"accuracy": config["dropout"]})


def main(trials: str = "4") -> None:
    tuner = tune.Tuner(
        do_nothing,
        param_space={"dropout": tune.uniform(0.0, 0.5)},
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(), metric="accuracy", mode="max", num_samples=int(trials), max_concurrent_trials=2
        ),
        run_config=tune.RunConfig(callbacks=[Telling()], verbose=0),
    )
    tuner.fit()


if __name__ == "__main__":
    main(*sys.argv[1:])
