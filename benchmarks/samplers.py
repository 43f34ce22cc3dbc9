"""Which sampler and pruner reach a good network with the fewest epochs? python -m benchmarks.samplers [GRID.csv.gz]

Every strategy searches the same enumerated grid (benchmarks/grid.py) again and again with other seeds. The table gives
the mean quality of its winner with a 95 % interval over the repetitions, the epochs that it spent, and the share of
random search's epochs with which it reaches what random search has at its end.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import RandomSampler, TPESampler
from scipy import stats

from benchmarks.replay import Grid, Strategy, load_grid, replay
from search.strategy.promotion import Promotion
from search.strategy.pruner import AsyncHalvingPruner
from search.strategy.sampler import SamplerName, SeededSampler, startup_of

GRID = Path(__file__).parent / "grid.csv.gz"
TRIALS, REPETITIONS = 48, 50
LEADERS = 3  # that the one-epoch rule trains to their end


def ours(name: SamplerName) -> partial[SeededSampler]:
    return partial(_seeded, name)


def _seeded(name: SamplerName, seed: int, searched: dict[str, BaseDistribution]) -> SeededSampler:
    return SeededSampler(name, seed, searched, startup_of(TRIALS))


def strategies(epochs: int) -> dict[str, Strategy]:
    """Return all strategies by name."""
    stopping = partial(AsyncHalvingPruner, 1, 3)
    promotion = Promotion(1, 3, LEADERS)
    one_epoch = Promotion(1, 10**9, LEADERS)
    found = {
        "random": Strategy(lambda seed, _: RandomSampler(seed)),
        "TPE, Optuna's defaults": Strategy(lambda seed, _: TPESampler(seed=seed)),
        "TPE, Optuna's defaults, Hyperband": Strategy(
            lambda seed, _: TPESampler(seed=seed), HyperbandPruner(1, epochs, 3)
        ),
        "random, one epoch each": Strategy(ours("random"), promotion=one_epoch),
    }
    labels: list[tuple[SamplerName, str]] = [("random", "random"), ("qmc", "Sobol"), ("tpe", "TPE"), ("gp", "GP")]
    for name, label in labels:
        if name != "random":
            found[label] = Strategy(ours(name))
        found[f"{label}, halving"] = Strategy(ours(name), stopping())
        found[f"{label}, promotion"] = Strategy(ours(name), promotion=promotion)
    return found


def curves_of(grid: Grid, strategy: Strategy, trials: int, repetitions: int) -> np.ndarray:
    """Return the quality after each epoch spent, (repetitions, trials * epochs); NaN before the first winner."""
    curves = np.full((repetitions, trials * grid.epochs), np.nan)
    for repetition in range(repetitions):
        for spent, quality in replay(grid, strategy, trials, repetition):
            curves[repetition, spent - 1 :] = quality
    return curves


def main(path: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    grid = load_grid(path)
    rows, reference = [], None
    for name, strategy in strategies(grid.epochs).items():
        curves = curves_of(grid, strategy, TRIALS, REPETITIONS)
        means, last = curves.mean(axis=0), curves[:, -1]
        reference = means if reference is None else reference
        reached = np.flatnonzero(means >= reference[-1])
        rows.append(
            {
                "strategy": name,
                "quality": last.mean(),
                "interval": stats.sem(last) * stats.t.ppf(0.975, len(last) - 1),
                "epochs to random's": reached[0] + 1 if len(reached) else np.nan,
                "share": (reached[0] + 1) / len(reference) if len(reached) else np.nan,
            }
        )
        print(pd.DataFrame(rows[-1:]).to_string(header=len(rows) == 1, index=False), flush=True)
    best = max(grid.quality(point) for point in grid.curves)
    print(f"{len(grid.curves)} points, {grid.epochs} epochs; the best point has {best:.4f}; "
          f"{TRIALS} trials, {REPETITIONS} repetitions")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:] or [str(GRID)])
