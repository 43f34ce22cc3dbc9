"""Promotion: every trial trains to its first rung; then the best go on from their checkpoints, as capacity frees up."""

import math
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from optuna.trial import FrozenTrial, TrialState

from search.strategy.constraint import valid
from search.strategy.pace import PaceOf, same_pace
from search.strategy.pruner import rungs_before

# User attribute of a trial that waits for its promotion: the rung that it reached. It is None once the trial goes on.
PAUSED: Final = "paused"


@dataclass(frozen=True)
class Promotion:
    """Asynchronous successive halving that promotes (ASHA: Li et al. 2020, arXiv:1810.05934), maximising.

    At each rung, step `grace_epochs * reduction_factor**k`, a trial pauses. It is promoted once it is among the best
    1/reduction_factor of its peers at that rung; and once no more peers can come to the rung, at least as many of them
    go on as is their share of `finalists`, so that some train to their end. Peers are the trials of one group (`pace`
    tells it by the parameters); the share of a few among many is one. They may be of different lengths: one that ends
    at a rung has its rank among those that reached it, and one that ends before never comes to it. Unlike halving that
    stops trials, nobody is judged against two others for good, and the first to arrive is not kept for that alone.
    All answers are functions of stored values, the same before and after a restart.
    """

    grace_epochs: int = 1
    reduction_factor: int = 2
    finalists: int = 1
    pace: PaceOf = same_pace

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs after which a trial of `epochs` epochs pauses, all before its last."""
        return rungs_before(epochs, self.grace_epochs, self.reduction_factor)

    def next_of(self, trials: list[FrozenTrial], more: bool) -> int | None:
        """Return the number of the paused trial that should go on now; None if none should.

        `more` says whether new trials are still to come. Of several the one at the highest rung goes first.
        """
        groups: dict[Hashable, list[FrozenTrial]] = defaultdict(list)
        for trial in valid(trials):
            groups[self.pace(trial.params).group].append(trial)
        total = sum(map(len, groups.values()))
        found = []
        for peers in groups.values():
            found += self._candidates(peers, more, math.ceil(self.finalists * len(peers) / total))
        return max(found, key=lambda candidate: (candidate[0], -candidate[1]))[1] if found else None

    def _candidates(self, peers: list[FrozenTrial], more: bool, finalists: int) -> list[tuple[int, int]]:
        """Return (rung, number) of the best trial to promote at each rung that has one."""
        found = []
        coming = [trial for trial in peers if is_under_way(trial)]
        paused_at = [trial.user_attrs.get(PAUSED) or 0 for trial in peers]
        for rung in self.rungs(max(paused_at, default=0) + 1):
            reached = [trial for trial in peers if rung in trial.intermediate_values]
            promoted = len(reached) // self.reduction_factor
            if not (more or any(self._may_come(trial, rung) for trial in coming)):
                promoted = max(promoted, finalists)
            ranking = sorted(reached, key=lambda trial: (-trial.intermediate_values[rung], trial.number))
            candidates = [trial for trial in ranking[:promoted] if trial.user_attrs.get(PAUSED) == rung]
            if candidates:
                found.append((rung, candidates[0].number))
            coming += candidates  # to the next rungs
        return found

    def _may_come(self, trial: FrozenTrial, rung: int) -> bool:
        """Return whether a trial that goes on has yet to reach `rung`, and is planned to."""
        length = self.pace(trial.params).length
        return rung not in trial.intermediate_values and (length is None or length >= rung)


def is_paused(trial: FrozenTrial) -> bool:
    """Return whether a trial waits for its promotion, in a search that has not ended."""
    return trial.state == TrialState.RUNNING and trial.user_attrs.get(PAUSED) is not None


def is_under_way(trial: FrozenTrial) -> bool:
    """Return whether a trial runs, or waits in line to run."""
    return not trial.state.is_finished() and not is_paused(trial)
