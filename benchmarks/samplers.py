"""Which strategy reaches a good network with the fewest epochs? python -m benchmarks.samplers [GRID.csv.gz [WORD...]]

Every strategy searches the same enumerated grid (benchmarks/grid.py) again and again with other seeds; WORDs choose
those whose names contain one of them, besides random search. The table gives the mean quality of a strategy's winner
with a 95 % interval over the repetitions, that after 1/4 and 1/2 of random search's epochs, the epochs that it spent,
and the share of random search's epochs with which it reaches what random search has at its end.
"""

import multiprocessing
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import RandomSampler, TPESampler
from scipy import stats

from benchmarks.grid import SEARCHED, VALIDATION_IMAGES
from benchmarks.replay import Strategy, load_grid, replay
from model.errors import one_line_errors
from model.machine import usable_cpus
from search.strategy.promotion import Promotion
from search.strategy.pruner import AsyncHalvingPruner
from search.strategy.sampler import NEAR, SamplerName, SeededSampler, startup_of
from search.strategy.stop import Stopping

GRID = Path(__file__).parent / "grid.csv.gz"
TRIALS, REPETITIONS = 48, 50
LEADERS = 3  # that the one-epoch rule trains to their end
STARTUP = startup_of(TRIALS)
STOPPING = Stopping(TRIALS, STARTUP, VALIDATION_IMAGES)
# What a person might guess: torch's own learning rate for AdamW, the article's recipe for the rest; and the opposite.
GUESS = {"learning_rate": 0.001, "conv2_width": 32, "kernel_size": 3, "dropout1": 0.25, "dropout2": 0.6}
BAD_GUESS = {"learning_rate": 0.1, "conv2_width": 16, "kernel_size": 3, "dropout1": 0.5, "dropout2": 0.6}


def ours(name: SamplerName, **changes: Any) -> partial[SeededSampler]:
    """Return our sampler as a function of a repetition's seed and the space, some of its settings changed."""
    return partial(_seeded, name, changes)


def _seeded(
    name: SamplerName, changes: dict[str, Any], seed: int, searched: dict[str, BaseDistribution]
) -> SeededSampler:
    return SeededSampler(name, seed, searched, **{"startup": STARTUP, **changes})


def strategies(epochs: int) -> dict[str, Strategy]:
    """Return all strategies by name, random search first."""
    halving = partial(AsyncHalvingPruner, 1, 2)
    promotion = Promotion(1, 2, LEADERS)
    one_epoch = Promotion(1, 10**9, LEADERS)
    found = {
        "random": Strategy(lambda seed, _: RandomSampler(seed)),
        "random, one epoch each": Strategy(ours("random"), promotion=one_epoch),
        "TPE, Optuna's defaults": Strategy(lambda seed, _: TPESampler(seed=seed)),
        "TPE, Optuna's defaults, Hyperband": Strategy(
            lambda seed, _: TPESampler(seed=seed), HyperbandPruner(1, epochs, 3)
        ),
    }
    names: dict[SamplerName, str] = {"random": "random", "qmc": "Sobol", "tpe": "TPE", "gp": "GP"}
    for name, label in names.items():
        if name != "random":
            found[label] = Strategy(ours(name))
        found[f"{label}, halving"] = Strategy(ours(name), halving())
        found[f"{label}, promotion"] = Strategy(ours(name), promotion=promotion)
        found[f"{label}, promotion, stop"] = Strategy(ours(name), promotion=promotion, stop=STOPPING)
    for label, grace, factor in (("third", 1, 3), ("half after 2 epochs", 2, 2), ("third after 2 epochs", 2, 3)):
        other = Promotion(grace, factor, LEADERS)
        found[f"random, promotion of the best {label}"] = Strategy(ours("random"), promotion=other)
        found[f"TPE, promotion of the best {label}"] = Strategy(ours("tpe"), promotion=other)
        found[f"TPE, halving to the best {label}"] = Strategy(ours("tpe"), AsyncHalvingPruner(grace, factor))
    for near in sorted({0.0, 0.125, NEAR, 0.5}):
        if near != NEAR:  # which stands above
            found[f"TPE, promotion, near {near}"] = Strategy(ours("tpe", near=near), promotion=promotion)
        for label, point in (("guess", GUESS), ("bad guess", BAD_GUESS)):
            ranks = {name: SEARCHED[name].index(value) for name, value in point.items()}  # as load_grid has them
            guessing = ours("tpe", near=near, guesses=ranks)
            found[f"TPE, promotion, {label}, near {near}"] = Strategy(guessing, promotion=promotion, first=ranks)
    for startup in (4, 20):
        found[f"TPE, promotion, start-up {startup}"] = Strategy(ours("tpe", startup=startup), promotion=promotion)
    return found


def played(path: str, name: str, repetition: int) -> tuple[np.ndarray, int]:
    """Return the quality after each epoch of one repetition, NaN before its first winner, and the epochs it took.

    The curve has trials * epochs values, as many as random search takes.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    grid = _loaded(path)
    steps = replay(grid, strategies(grid.epochs)[name], TRIALS, repetition)
    curve = np.full(TRIALS * grid.epochs, np.nan)
    for spent, quality in steps:
        curve[spent - 1 :] = quality
    return curve, steps[-1][0]


_loaded = cache(load_grid)  # once per process


def row_of(name: str, curves: np.ndarray, spent: float, reference: np.ndarray) -> dict[str, Any]:
    """Return the table's row of a strategy: its curves, (repetitions, epochs), against the mean curve of random search.

    A quality that some repetitions have not reached yet counts as NaN.
    """
    means, last = curves.mean(axis=0), curves[:, -1]
    reached = np.flatnonzero(means >= reference[-1])
    return {
        "strategy": name,
        "quality": last.mean(),
        "interval": stats.sem(last) * stats.t.ppf(0.975, len(last) - 1),
        "at 1/4": means[len(means) // 4 - 1],
        "at 1/2": means[len(means) // 2 - 1],
        "epochs": spent,
        "share": (reached[0] + 1) / len(reference) if len(reached) else np.nan,
    }


def main(path: str = str(GRID), *words: str) -> None:
    grid, reference = _loaded(path), None
    best = max(grid.quality(point) for point in grid.curves)
    print(f"{len(grid.curves)} points, {grid.epochs} epochs; the best point has {best:.4f}; "
          f"{TRIALS} trials, {REPETITIONS} repetitions")  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(usable_cpus()) as pool:
        for place, name in enumerate(strategies(grid.epochs)):
            if place and words and not any(word in name for word in words):
                continue
            results = pool.map(partial(played, path, name), range(REPETITIONS), chunksize=1)
            curves = np.stack([curve for curve, _ in results])
            reference = curves.mean(axis=0) if reference is None else reference
            row = row_of(name, curves, float(np.mean([spent for _, spent in results])), reference)
            print(pd.DataFrame([row]).to_csv(header=not place, index=False, float_format="%.4f"), end="", flush=True)


if __name__ == "__main__":
    with one_line_errors():
        main(*sys.argv[1:])
