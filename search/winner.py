"""The one definition of the winner, from stored trials alone."""

import math
import statistics
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import ConfigError
from search.space import Space, complete, recipe_point
from search.store.records import TrialRecord, read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, SEARCH

COMPARED = ("complete", "pruned")  # states of the trials that a search chose its best from


@dataclass(frozen=True)
class Winner:
    """The candidate that leads by the mean of its fresh seeds, and the run whose checkpoint is exported.

    Without confirmation `accuracies` holds the search trial's own value alone, and `run` is that trial. `study` names
    the study that `run` belongs to, and `trials` is the number of the search's trials that were compared.
    """

    candidate: int
    accuracies: tuple[float, ...]
    study: str
    run: TrialRecord
    trials: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.accuracies)

    @property
    def mean_of(self) -> str:
        """Return what `mean` is the mean of, in words."""
        return words_of_mean(len(self.accuracies) if self.study == CONFIRM else 0, self.trials)

    @property
    def exported(self) -> str:
        """Return what `run` is, in words."""
        return "the best confirmed run" if self.study == CONFIRM else "the best trial of the search"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its folder, why it stopped (None: it is done), its winner and the winner's export folder."""

    run_dir: Path
    stopped: str | None
    winner: Winner | None
    export: Path | None


def winner_of(run_dir: Path) -> Winner | None:
    """Return the winner of a run by what its study holds now. Raises ConfigError where `run_dir` is not a run."""
    return find_winner(read_trials(run_dir, SEARCH), read_trials(run_dir, CONFIRM))


def winner_so_far(run_dir: Path) -> Winner | None:
    """Return the winner of a run that has ended; None too where its study can't be read, which may be why it ended."""
    try:
        return winner_of(run_dir)
    except ConfigError:
        return None


def find_winner(searched: list[TrialRecord], confirmed: list[TrialRecord]) -> Winner | None:
    """Return the first candidate by `standing` of those with a complete confirmation run, else the search's best trial.

    The lower number wins among equals. None if no trial is complete.
    """
    compared = sum(trial.state in COMPARED for trial in searched)
    found = []
    for candidate, runs in _by_candidate(confirmed).items():
        if complete := _best_first(runs):
            winner = Winner(candidate, tuple(_value(run) for run in complete), CONFIRM, complete[0], compared)
            found.append((standing(candidate, winner.mean, len(_failed(runs)), len(runs)), winner))
    if found:
        return min(found, key=lambda pair: pair[0])[1]
    best = _best_first(searched)
    return Winner(best[0].number, (_value(best[0]),), SEARCH, best[0], compared) if best else None


def best_points(run_dir: Path, space: Space) -> list[dict[str, Any]]:
    """Return the points of the best trials of an earlier run that `space` holds, the winner's first.

    Raises ConfigError where `run_dir` is not a run, or holds no such trial.
    """
    earlier, searched, winner = load_resolved(run_dir).space, read_trials(run_dir, SEARCH), winner_of(run_dir)
    points: list[dict[str, Any]] = []
    for trial in sorted(_best_first(searched), key=lambda trial: trial.number != (winner and winner.candidate)):
        values = complete(earlier, trial.params).model_dump()
        with suppress(ConfigError):  # it lies outside this space
            point = recipe_point(space, {name: values[name] for name in space.searched})
            if point not in points:
                points.append(point)
    if not points:
        raise ConfigError(f"{run_dir}: no complete trial of it lies in this space; widen the space or drop start_from")
    return points


def words_of_mean(seeds: int, trials: int) -> str:
    """Return what a winner's accuracy is: a mean over fresh seeds or, without any, the best of single runs."""
    if seeds:
        return f"mean of {seeds} fresh seeds" if seeds > 1 else "one fresh seed"
    return f"a single run, the best of {trials} trials, hence optimistic" if trials > 1 else "a single run"


def may_win(failed: int, runs: int) -> bool:
    """Return whether a candidate is eligible: at most one in five of its confirmation runs that have begun failed."""
    return 5 * failed <= runs


def standing(candidate: int, mean: float, failed: int, runs: int) -> tuple[float, float, int]:
    """Return what candidates are sorted by, the winner's being the least.

    Those that may win come first, by mean; then the others by their share of failures, then by mean. So a candidate
    that trains on one seed in five does not win with that one.
    """
    share = 0.0 if may_win(failed, runs) else failed / runs
    return share, -mean, candidate


def refusal(winner: Winner, accuracy: float, images: int) -> str | None:
    """Return why a refit of the winner must not be exported; None if it may. `accuracy` is on `images` it has seen.

    These are the validation images, on which a refit, being trained on them, should do better than the winner's n runs
    did. It is refused if it lies below their mean p by more than noise: by more than twice the root of
    s² (1 + 1 / n) + p (1 - p) / images. The first term is the variance between seeds of one run less the mean of n, the
    second that of an accuracy over so many images. s is 1.4826 times the median absolute deviation of the n runs
    (Rousseeuw and Croux 1993, "Alternatives to the Median Absolute Deviation"): a standard deviation would let one
    collapsed seed excuse a collapsed refit. It is 0 for a single run.
    """
    mean, n = winner.mean, len(winner.accuracies)
    middle = statistics.median(winner.accuracies)
    spread = 1.4826 * statistics.median(abs(value - middle) for value in winner.accuracies)
    noise = 2 * math.sqrt(spread**2 * (1 + 1 / n) + mean * (1 - mean) / images)
    if accuracy >= mean - noise:
        return None
    reached = f"{accuracy:.2%} on the validation images, though it has seen them"
    return f"the refit is refused ({reached}, is more than {100 * noise:.2f} points below the {mean:.2%} before it)"


def failures(searched: list[TrialRecord], confirmed: list[TrialRecord]) -> list[str]:
    """Return a sentence for each candidate of which confirmation runs failed: how many, why, and what follows."""
    leader, sentences = find_winner(searched, confirmed), []
    for candidate, runs in sorted(_by_candidate(confirmed).items()):
        failed = _failed(runs)
        if not failed:
            continue
        if may_win(len(failed), len(runs)):
            follows = "few enough that it may win"
        elif leader and leader.candidate == candidate:
            follows = "it leads all the same, as no candidate has a smaller share of failures"
        else:
            follows = "too many for it to win"
        reason = str(failed[-1].attributes.get("error", "no reason was recorded")).split("\n")[0].rstrip(".")
        of_candidate = f"{len(failed)} of {len(runs)} confirmation runs of trial {candidate}"
        sentences.append(f"{of_candidate} failed ({reason}): {follows}.")
    return sentences


def _by_candidate(confirmed: list[TrialRecord]) -> dict[int, list[TrialRecord]]:
    """Return the confirmation runs that have begun, by the number of their candidate."""
    runs: dict[int, list[TrialRecord]] = {}
    for run in confirmed:
        if run.state != "waiting":
            runs.setdefault(run.attributes["candidate"], []).append(run)
    return runs


def _failed(runs: list[TrialRecord]) -> list[TrialRecord]:
    return [run for run in runs if run.state == "failed"]


def _best_first(trials: list[TrialRecord]) -> list[TrialRecord]:
    complete = [trial for trial in trials if trial.state == "complete"]
    return sorted(complete, key=lambda trial: (-_value(trial), trial.number))


def _value(trial: TrialRecord) -> float:
    return trial.value or 0.0
