"""How long does one more suggestion take after many trials? python -m benchmarks.asks [TRIALS...]

The space is a grid of 8,748 points, in which draws repeat earlier points more and more. Every trial so far is complete,
with a value that its parameters and chance decide. It prints the seconds of CPU time per suggestion of each sampler.
"""

import sys
import time
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from search.space import grid, parse_space
from search.strategy.sampler import SamplerName, SeededSampler

SPACE = parse_space(
    {
        "conv1_width": [8, 16, 32],
        "conv2_width": [16, 32, 64],
        "hidden_width": [32, 64, 128],
        "dropout1": [0.0, 0.1, 0.2, 0.3],
        "dropout2": [0.0, 0.25, 0.5],
        "kernel_size": [3, 5, 7],
        "batch_size": [32, 64, 128],
        "label_smoothing": [0.0, 0.05, 0.1],
    }
)
ASKS = 5
SAMPLERS: tuple[SamplerName, ...] = ("random", "qmc", "tpe")


def main(*trials: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    points = grid(SPACE.searched)
    print(f"{len(points):,} points; seconds of CPU time per suggestion, the mean of {ASKS}")
    for count in map(int, trials or ("1000", "3000", "8000")):
        seconds = {name: seconds_per_ask(name, points, count) for name in SAMPLERS}
        print(f"after {count:,} trials: " + ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))


def seconds_per_ask(name: SamplerName, points: list[dict[str, Any]], count: int) -> float:
    """Return the mean CPU time of a suggestion after `count` complete trials at points drawn without repeats."""
    study = optuna.create_study(direction="maximize", sampler=SeededSampler(name, 0, SPACE.searched, startup=20))
    random = np.random.default_rng(0)
    for index in random.permutation(len(points))[:count]:
        point = points[index]
        value = 0.9 + 0.01 * float(random.random()) - 0.02 * point["dropout2"]
        study.add_trial(
            create_trial(state=TrialState.COMPLETE, params=point, distributions=SPACE.searched, value=value)
        )
    study.ask(fixed_distributions=SPACE.searched)  # whose sampler lists the points of the space
    began = time.process_time()
    for _ in range(ASKS):
        study.ask(fixed_distributions=SPACE.searched)
    return (time.process_time() - began) / ASKS


if __name__ == "__main__":
    main(*sys.argv[1:])
