"""Searches replayed on trainings that were all run before: a strategy spends epochs of a grid in place of seconds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from model.errors import ConfigError
from model.seeds import derive_seed
from search.space import Space, size
from search.strategy.promotion import PAUSED, Promotion
from search.strategy.stop import Stopping

Point = tuple[Any, ...]


@dataclass(frozen=True)
class Grid:
    """Every point of a space, trained on several seeds: curves[point] is (seeds, epochs), validation accuracies."""

    searched: dict[str, BaseDistribution]
    curves: dict[Point, np.ndarray]

    @property
    def epochs(self) -> int:
        return int(next(iter(self.curves.values())).shape[1])

    def quality(self, point: Point) -> float:
        """Return what a point is worth: its mean accuracy at the end, over all seeds."""
        return float(self.curves[point][:, -1].mean())


@dataclass(frozen=True)
class Strategy:
    """A sampler for a repetition's seed; what ends trials early: a pruner, a promotion, or nothing; what ends all.

    `first` is a point to try first, where one is guessed.
    """

    sampler: Callable[[int, dict[str, BaseDistribution]], BaseSampler]
    pruner: BasePruner | None = None
    promotion: Promotion | None = None
    stop: Stopping | None = None
    first: dict[str, Any] | None = None


def load_grid(path: str) -> Grid:
    """Return the grid in a CSV file: a column per searched field, then seed, epoch and val_accuracy.

    Raises ConfigError where a point is missing, or one of its trainings.
    """
    table = pd.read_csv(path)
    names = [name for name in table.columns if name not in ("seed", "epoch", "val_accuracy")]
    searched: dict[str, BaseDistribution] = {}
    for name in names:
        values = sorted(table[name].unique().tolist())
        if pd.api.types.is_numeric_dtype(table[name]):  # numbers have an order, which a sampler may use: their ranks
            table[name] = table[name].map(values.index)
            searched[name] = IntDistribution(0, len(values) - 1)
        else:
            searched[name] = CategoricalDistribution(values)
    curves = {}
    for point, rows in table.groupby(names):
        curves[point] = rows.pivot(index="seed", columns="epoch", values="val_accuracy").to_numpy()
    whole = len({curve.shape for curve in curves.values()}) == 1 and not any(np.isnan(c).any() for c in curves.values())
    if len(curves) != size(Space({}, searched)) or not whole:
        raise ConfigError(f"{path}: not every point is trained to its end on every seed; go on with benchmarks.grid")
    return Grid(searched, curves)


def replay(grid: Grid, strategy: Strategy, trials: int, repetition: int) -> list[tuple[int, float]]:
    """Return (epochs spent, quality of the winner so far) after each step of one search of so many trials.

    The search sees one seed of each point, as a real one does; it is judged by the point's quality over all seeds. The
    winner is the complete trial of the highest value seen.
    """
    study = optuna.create_study(
        direction="maximize",
        sampler=strategy.sampler(repetition, grid.searched),
        pruner=strategy.pruner or optuna.pruners.NopPruner(),
    )
    if strategy.first:
        study.enqueue_trial(strategy.first)
    spent, best = 0, (-math.inf, math.nan)
    found: list[tuple[int, float]] = []
    live: dict[int, optuna.Trial] = {}
    while True:
        given = study.get_trials(deepcopy=False)
        more = len(given) < trials and not (strategy.stop and strategy.stop.has_enough(given))
        number = strategy.promotion.next_of(given, more) if strategy.promotion else None
        if number is not None:
            trial = live[number]
            first = trial.user_attrs[PAUSED] + 1
            trial.set_user_attr(PAUSED, None)
        elif more:
            trial = study.ask(fixed_distributions=grid.searched)
            live[trial.number] = trial
            first = 1
        else:
            return found
        point = tuple(trial.params[name] for name in grid.searched)
        curve = grid.curves[point][derive_seed(repetition, *str(point).encode()) % len(grid.curves[point])]
        for epoch in range(first, grid.epochs + 1):
            spent += 1
            trial.report(float(curve[epoch - 1]), epoch)
            if epoch == grid.epochs:
                study.tell(trial, float(curve[-1]))
                best = max(best, (float(curve[-1]), grid.quality(point)))
            elif strategy.promotion and epoch in strategy.promotion.rungs(grid.epochs):
                trial.set_user_attr(PAUSED, epoch)
                break
            elif trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        found.append((spent, best[1]))
