"""When to end a search before its last trial: once the best has stopped gaining more than the noise of an accuracy."""

import math
from dataclasses import dataclass
from typing import Literal

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.strategy.constraint import valid
from search.strategy.outlook import outlook
from search.strategy.pace import PaceOf, same_pace

StopName = Literal["auto"]
PATIENCE = 1 / 3  # share of the trials that a search may have that must gain nothing (benchmarks/samplers.py)
FEWEST = 10  # such trials, however few a search may have


@dataclass(frozen=True)
class Stopping:
    """The rule of `stop = "auto"`, maximising an accuracy over `images` images.

    A search of at most `trials` trials ends once the last third of so many trials, and at least 10, after the first
    `startup` improved the best outlook (strategy/outlook.py) by no more than the standard error of one accuracy. Only
    trials with a value of their own count: one that failed or exceeds a limit says nothing about what more can gain.
    It is a function of stored values alone, the same before and after a restart.
    """

    trials: int
    startup: int
    images: int
    pace: PaceOf = same_pace

    @property
    def patience(self) -> int:
        """Return how many trials in a row must gain nothing."""
        return max(math.ceil(self.trials * PATIENCE), FEWEST)

    def noise(self, accuracy: float) -> float:
        """Return the standard error of an accuracy over the images."""
        return math.sqrt(accuracy * (1 - accuracy) / self.images)

    def reason(self, trials: list[FrozenTrial]) -> str:
        """Return, in a line, why a search of these trials ended, and what that saved at the epochs they took."""
        spent = sum(len(trial.intermediate_values) for trial in trials)
        best = max(self._values(trials))
        unneeded = self.trials - len(trials)
        return (
            f"the search ends after {len(trials)} of {self.trials} trials, as its last {self.patience} with a value "
            f"gained no more than the noise of one accuracy, {100 * self.noise(best):.2f} points: {unneeded} trials, "
            f"about {unneeded * spent / len(trials):.0f} epochs, are saved "
            "(raise --trials or drop search.stop to go on)"
        )

    def has_enough(self, trials: list[FrozenTrial]) -> bool:
        """Return whether more trials than these can't pay."""
        if len(trials) < self.startup + self.patience:  # without reading their values
            return False
        values = self._values(trials)
        earlier = values[: -self.patience]
        if len(earlier) < self.startup:
            return False
        return max(values) - max(earlier) <= self.noise(max(earlier))

    def _values(self, trials: list[FrozenTrial]) -> list[float]:
        """Return the outlook of each trial that has a value of its own, by number."""
        found = outlook(valid(trials), StudyDirection.MAXIMIZE, self.pace)
        return [found[number] for number in sorted(found)]
