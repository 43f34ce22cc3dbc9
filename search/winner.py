"""The one definition of the winner, from stored trials alone."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from model.errors import ConfigError
from search.store.records import TrialRecord, read_trials
from search.store.study import CONFIRM, SEARCH


@dataclass(frozen=True)
class Winner:
    """The candidate of highest mean validation accuracy over its fresh seeds, and the run whose checkpoint is exported.

    Without confirmation `accuracies` holds the search trial's own value alone, and `run` is that trial. `study` names
    the study that `run` belongs to.
    """

    candidate: int
    accuracies: tuple[float, ...]
    study: str
    run: TrialRecord

    @property
    def mean(self) -> float:
        return statistics.fmean(self.accuracies)


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
    """Return the best candidate by mean over its confirmation runs, else the best trial of the search.

    The lower number wins among equals. None if no trial is complete.
    """
    runs: dict[int, list[TrialRecord]] = {}
    for run in _best_first(confirmed):
        runs.setdefault(run.attributes["candidate"], []).append(run)
    winners = [
        Winner(candidate, tuple(_value(run) for run in of_candidate), CONFIRM, of_candidate[0])
        for candidate, of_candidate in runs.items()
    ]
    if winners:
        return max(winners, key=lambda winner: (winner.mean, -winner.candidate))
    best = _best_first(searched)
    return Winner(best[0].number, (_value(best[0]),), SEARCH, best[0]) if best else None


def _best_first(trials: list[TrialRecord]) -> list[TrialRecord]:
    complete = [trial for trial in trials if trial.state == "complete"]
    return sorted(complete, key=lambda trial: (-_value(trial), trial.number))


def _value(trial: TrialRecord) -> float:
    return trial.value or 0.0
