"""The candidates of a confirmation, as their stored runs on fresh seeds say: their order, and who races on."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

from search.store.records import TrialRecord
from search.store.study import FRESH_SEED, OF_RECIPE
from search.strategy.racing import as_good, is_behind

EQUAL_SIZE = 1.01  # networks whose parameters differ by less are of one size; batch norm, say, is folded at export
THE_RECIPE = -1  # in place of a trial's number


@dataclass(frozen=True)
class Candidate:
    """A trial of the search, or the article's recipe, and its runs on fresh seeds that have begun.

    `planned` counts the runs that are still in line too.
    """

    number: int
    runs: tuple[TrialRecord, ...]
    planned: int

    @property
    def complete(self) -> list[TrialRecord]:
        """Return the complete runs, the best first."""
        return best_first(self.runs)

    @property
    def failed(self) -> list[TrialRecord]:
        return [run for run in self.runs if run.state == "failed"]

    @property
    def ended(self) -> bool:
        """Whether nothing of what is planned is still to come."""
        return len(self.complete) + len(self.failed) == self.planned

    @property
    def mean(self) -> float:
        """Return the mean accuracy of the complete runs; NaN where there are none."""
        return statistics.fmean(value_of(run) for run in self.complete) if self.complete else math.nan

    @property
    def scores(self) -> dict[int, float]:
        """Return the accuracy of the complete runs by their seed.

        Runs of versions that gave each run a seed of its own are left out: they make no pairs.
        """
        return {run.attributes[FRESH_SEED]: value_of(run) for run in self.complete if FRESH_SEED in run.attributes}

    @property
    def num_parameters(self) -> int | None:
        """Return the number of the network's parameters; None before a run is complete."""
        return self.complete[0].attributes.get("num_parameters") if self.complete else None


def candidates_of(confirmed: list[TrialRecord]) -> list[Candidate]:
    """Return the candidates of the runs `confirmed`, in the order of their numbers."""
    runs: dict[int, list[TrialRecord]] = {}
    for run in confirmed:
        if OF_RECIPE not in run.attributes:
            runs.setdefault(run.attributes["candidate"], []).append(run)
    return [_candidate(number, runs[number]) for number in sorted(runs)]


def recipe_of(confirmed: list[TrialRecord]) -> Candidate | None:
    """Return the runs of the article's recipe among `confirmed`; None where it was not to run."""
    runs = [run for run in confirmed if OF_RECIPE in run.attributes]
    return _candidate(THE_RECIPE, runs) if runs else None


def attributes_of(candidate: int, run: int) -> dict[str, Any]:
    """Return the user attributes of a candidate's run on the fresh seed number `run`, from 1."""
    return {"candidate": candidate, "run": run, FRESH_SEED: run}


def recipe_attributes(differences: dict[str, Any], run: int) -> dict[str, Any]:
    """Return the user attributes of a run of the recipe, but for `differences`, on the fresh seed number `run`."""
    return {OF_RECIPE: differences, "run": run, FRESH_SEED: run}


def ranked(candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates, the winner first, then by `standing`.

    The winner is the leader or, of those that 5 seeds or more can't tell from it, the one with the smallest network;
    of one size the better mean wins.
    """
    order = sorted(candidates, key=standing)
    leading = [other for other in order if other is order[0] or _may_replace(other, order[0])]
    sizes = [other.num_parameters or 0 for other in leading]
    if len(leading) < 2 or 0 in sizes:
        return order
    winner = next(other for other, size in zip(leading, sizes, strict=True) if size <= EQUAL_SIZE * min(sizes))
    return [winner, *(other for other in order if other is not winner)]


def next_round(candidates: list[Candidate], most: int) -> list[Candidate]:
    """Return the candidates of a race that get one more seed; none where it is over, or a run has not ended.

    These are the leader and those that their seeds so far do not show to be worse, as long as there are such, up to
    `most` seeds. First come those with fewer seeds than others that are not behind the leader on the seeds that both
    have: they had left the race for failed runs, which were tried again since, or behind a leader that fell back. A
    function of stored values alone, so a killed confirmation goes on with the same runs.
    """
    if not candidates or not all(candidate.ended for candidate in candidates):
        return []
    reached = max(candidate.planned for candidate in candidates)
    eligible = [candidate for candidate in sorted(candidates, key=standing) if candidate.complete]
    eligible = [candidate for candidate in eligible if may_win(candidate)]
    still = [candidate for candidate in eligible if not is_behind(candidate.scores, eligible[0].scores)]
    still.sort(key=lambda candidate: candidate.number)
    if late := [candidate for candidate in still if candidate.planned < reached]:
        return late
    return still if len(still) > 1 and reached < most else []


def standing(candidate: Candidate) -> tuple[bool, float, int, float, int]:
    """Return what candidates are sorted by, the leader's being the least.

    Those with a complete run come first; of these those that may win, then the others by their share of failures. So a
    candidate that trains on one seed in five does not win with that one. Of equal ones those come first that came
    further in the race: the others were worse on the seeds that both had; then the mean decides, then the number.
    """
    share = 0.0 if may_win(candidate) else len(candidate.failed) / len(candidate.runs)
    mean = candidate.mean if candidate.complete else 0.0
    return not candidate.complete, share, -candidate.planned, -mean, candidate.number


def may_win(candidate: Candidate) -> bool:
    """Return whether a candidate is eligible: at most one in five of its confirmation runs that have begun failed."""
    return 5 * len(candidate.failed) <= len(candidate.runs)


def best_first(trials: list[TrialRecord] | tuple[TrialRecord, ...]) -> list[TrialRecord]:
    """Return the complete ones of `trials`, the best first, of equals the lower number."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return sorted(complete, key=lambda trial: (-value_of(trial), trial.number))


def value_of(trial: TrialRecord) -> float:
    return trial.value or 0.0


def _may_replace(candidate: Candidate, leader: Candidate) -> bool:
    """Return whether a candidate may win in place of the leader: it is in the race, and seeds can't tell the two."""
    in_race = may_win(candidate) and candidate.planned == leader.planned
    return in_race and as_good(candidate.scores, leader.scores)


def _candidate(number: int, runs: list[TrialRecord]) -> Candidate:
    return Candidate(number, tuple(run for run in runs if run.state != "waiting"), len(runs))
