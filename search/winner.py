"""The one definition of the winner, from stored trials alone."""

import math
import statistics
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import ConfigError
from search.experiment import Experiment
from search.space import Space, complete, recipe_point
from search.store import checkpoints, location
from search.store.candidates import Candidate, best_first, candidates_of, may_win, ranked, recipe_of, value_of
from search.store.chance import is_chance
from search.store.failures import Failures, failures_of, first_line
from search.store.records import TrialRecord, read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, PICKED, SEARCH, STUDIES

COMPARED = ("complete", "pruned")  # states of the trials that a search chose its best from


@dataclass(frozen=True)
class Winner:
    """The candidate that leads by the mean of its fresh seeds, and the run whose checkpoint is exported.

    One that is `picked` by a person is exported though it need not lead. Without confirmation `accuracies` holds the
    search trial's own value alone, and `run` is that trial. `study` names the study that `run` belongs to, and `trials`
    is the number of the search's trials that were compared.
    """

    candidate: int
    accuracies: tuple[float, ...]
    study: str
    run: TrialRecord
    trials: int
    picked: bool = False

    @property
    def mean(self) -> float:
        return statistics.fmean(self.accuracies)

    @property
    def mean_of(self) -> str:
        """Return what `mean` is the mean of, in words."""
        return words_of_mean(len(self.accuracies) if self.study != SEARCH else 0, self.trials)

    @property
    def exported(self) -> str:
        """Return what `run` is, in words."""
        return "the best confirmed run" if self.study != SEARCH else "the best trial of the search"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its folder, why it stopped (None: it is done), its winner and the winner's export folder.

    `failures` tells which trials failed (None: none did), `learned` whether the winner is better than chance (None
    without a winner).
    """

    run_dir: Path
    stopped: str | None
    winner: Winner | None
    export: Path | None
    failures: Failures | None = None
    learned: bool | None = None


def winner_of(run_dir: Path) -> Winner | None:
    """Return the winner of a run by what its study holds now. Raises ConfigError where `run_dir` is not a run."""
    return find_winner(read_trials(run_dir, SEARCH), read_trials(run_dir, CONFIRM))


def chosen(run_dir: Path, pick: int | None) -> Winner | None:
    """Return what is to be exported: the winner, or the trial `pick`; None while there is no run of it to export.

    The runs of a picked trial are those of the confirmation, where it has had one. Raises ConfigError where `run_dir`
    is not a run.
    """
    winner = winner_of(run_dir)
    if pick is None or (winner is not None and winner.candidate == pick):
        return winner
    searched = read_trials(run_dir, SEARCH)
    for study in (CONFIRM, PICKED):
        for candidate in candidates_of(read_trials(run_dir, study)):
            if candidate.number == pick and candidate.ended and candidate.complete:
                found = as_winner(candidate, study, searched, picked=True)
                store = location.checkpoint_store(run_dir)
                if checkpoints.is_there(store, found.run.attributes):  # versions before this one deleted it
                    return found
    return None


def outcome_of(run_dir: Path, stopped: str | None, export: Path | None) -> Outcome:
    """Return how a run ended, with what its studies hold; nothing of them if they can't be read, which may be why."""
    try:
        stages = {name: read_trials(run_dir, name) for name in STUDIES}
        winner = find_winner(stages[SEARCH], stages[CONFIRM])
        learned = has_learned(load_resolved(run_dir), winner)
    except ConfigError:
        return Outcome(run_dir, stopped, None, export)
    return Outcome(run_dir, stopped, winner, export, failures_of(stages), learned)


def has_learned(experiment: Experiment, winner: Winner | None) -> bool | None:
    """Return whether a run's winner is better than chance; None without a winner."""
    return None if winner is None else not is_chance(experiment, winner.mean, winner.trials)


def find_winner(searched: list[TrialRecord], confirmed: list[TrialRecord]) -> Winner | None:
    """Return the first of the `ranked` candidates with a complete confirmation run, else the search's best trial.

    The lower number wins among equals. None if no trial is complete.
    """
    for first in ranked(candidates_of(confirmed))[:1]:
        if first.complete:
            return as_winner(first, CONFIRM, searched)
    best = best_first(searched)
    return Winner(best[0].number, (value_of(best[0]),), SEARCH, best[0], _compared(searched)) if best else None


def as_winner(candidate: Candidate, study: str, searched: list[TrialRecord], *, picked: bool = False) -> Winner:
    """Return a candidate with complete runs in `study` as what is to be exported: the best of them."""
    runs = candidate.complete
    accuracies = tuple(value_of(run) for run in runs)
    return Winner(candidate.number, accuracies, study, runs[0], _compared(searched), picked)


def best_points(run_dir: Path, space: Space) -> list[dict[str, Any]]:
    """Return the points of the best trials of an earlier run that `space` holds, the winner's first.

    A learning rate means other things to each optimizer, so that of another one is left out. Raises ConfigError where
    `run_dir` is not a run, or holds no such trial.
    """
    earlier, searched, winner = load_resolved(run_dir).space, read_trials(run_dir, SEARCH), winner_of(run_dir)
    points: list[dict[str, Any]] = []
    same_optimizer = earlier.fixed["optimizer"] == space.fixed["optimizer"]
    names = [name for name in space.searched if same_optimizer or name != "learning_rate"]
    for trial in sorted(best_first(searched), key=lambda trial: trial.number != (winner and winner.candidate)):
        values = complete(earlier, trial.params).model_dump()
        with suppress(ConfigError):  # it lies outside this space
            point = recipe_point(space, {name: values[name] for name in names})
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


def refusal(winner: Winner, accuracy: float, images: int) -> str | None:
    """Return why a refit of the winner must not be exported; None if it may.

    `accuracy` is over the `images` that were held back from it. It is refused if it lies below that of the run which is
    exported instead by more than noise: by more than two standard errors of an accuracy p over so many images. The two
    networks are compared, not their seeds: then no spread between seeds, and no seed that collapsed, can excuse a refit
    that did. p is that run's accuracy with one image more that is right and one that is wrong, as it may be 1 (Agresti
    and Coull 1998, "Approximate Is Better than 'Exact'").
    """
    instead = winner.run.value or 0.0
    p = (instead * images + 1) / (images + 2)
    noise = 2 * math.sqrt(p * (1 - p) / images)
    if accuracy >= instead - noise:
        return None
    reached = f"{accuracy:.2%} on {images:,} validation images"
    below = f"more than {100 * noise:.2f} points below the {instead:.2%} of {winner.exported}"
    return f"the refit is refused ({reached}, {below})"


def failures(searched: list[TrialRecord], confirmed: list[TrialRecord]) -> list[str]:
    """Return a sentence for each candidate of which confirmation runs failed: how many, why, and what follows."""
    leader, sentences = find_winner(searched, confirmed), []
    for candidate in candidates_of(confirmed):
        if not candidate.failed:
            continue
        if may_win(candidate):
            follows = "few enough that it may win"
        elif leader and leader.candidate == candidate.number:
            follows = "it leads all the same, as no candidate has a smaller share of failures"
        else:
            follows = "too many for it to win"
        sentences.append(f"{_failed_runs(candidate, f'trial {candidate.number}')}: {follows}.")
    recipe = recipe_of(confirmed)
    if recipe and recipe.failed:
        name = "the article's recipe"
        sentences.append(f"{_failed_runs(recipe, name)}: only its other runs are compared with.")
    return sentences


def _failed_runs(candidate: Candidate, name: str) -> str:
    """Return how many runs of a candidate failed, and why the last of them did."""
    reason = first_line(candidate.failed[-1].attributes.get("error"))
    return f"{len(candidate.failed)} of {len(candidate.runs)} confirmation runs of {name} failed ({reason})"


def _compared(searched: list[TrialRecord]) -> int:
    return sum(trial.state in COMPARED for trial in searched)
