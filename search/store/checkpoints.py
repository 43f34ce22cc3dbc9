"""The saved training states of a trial: its newest and the one before, and when a state may go.

Two are kept while a trial runs, so that a damaged newest one costs a few epochs and not the trial.
"""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from model.errors import ConfigError
from search.store import study

NEWEST, BEFORE = "saved_state", "state_before"  # attributes: {"place": path below the run folder, "epoch": number}


def remember(run_dir: Path, of_stage: optuna.Study, trial_id: int, place: Path, epoch: int) -> None:
    """Note the state that now lies at `place`; what is older than the one before it goes."""
    earlier = of_stage._storage.get_trial(trial_id).user_attrs
    # Relative: a run folder may be moved or copied.
    newest = {"place": str(place.relative_to(run_dir.absolute())), "epoch": epoch}
    study.set_attributes(of_stage, trial_id, **{BEFORE: earlier.get(NEWEST), NEWEST: newest})
    kept = {_attempt(run_dir, state) for state in (newest, earlier.get(NEWEST)) if state}
    for state in (earlier.get(NEWEST), earlier.get(BEFORE)):
        if state and _attempt(run_dir, state) not in kept:  # within one attempt Ray deletes the older ones
            shutil.rmtree(_attempt(run_dir, state), ignore_errors=True)


def places(run_dir: Path, attributes: dict[str, Any]) -> list[str]:
    """Where a trial's states lie, the newest first; absolute, as a worker of a cluster has a directory of its own."""
    return [str(run_dir.absolute() / state["place"]) for name in (NEWEST, BEFORE) if (state := attributes.get(name))]


def epoch_of(attributes: dict[str, Any]) -> int:
    """The epoch of a trial's newest state; 0 where there is none."""
    return int(attributes[NEWEST]["epoch"]) if attributes.get(NEWEST) else 0


def delete_unneeded(run_dir: Path, of_stage: optuna.Study, ended: FrozenTrial, keep: int | None) -> None:
    """Remove what nothing can need any more now that a trial has ended: only the `keep` best complete trials keep
    their states, or all of them (None)."""
    if keep is None:
        unneeded = [] if ended.state == TrialState.COMPLETE else [ended]
    else:
        best = study.best_trials(of_stage, keep + 1)
        displaced = best[keep:]
        unneeded = displaced if ended.number in {kept.number for kept in best[:keep]} else [*displaced, ended]
    for trial in unneeded:
        delete(run_dir, trial.user_attrs)


def delete(run_dir: Path, attributes: dict[str, Any]) -> None:
    """Remove a trial's states, together with Ray's folders of those attempts."""
    for name in (NEWEST, BEFORE):
        if state := attributes.get(name):
            shutil.rmtree(_attempt(run_dir, state), ignore_errors=True)


def _attempt(run_dir: Path, state: dict[str, Any]) -> Path:
    """The folder of one attempt at a trial; it holds the states of that attempt alone.

    Raises ConfigError for a place that is none of ours: whoever may write to the study must not delete files with it.
    """
    place = PurePosixPath(str(state["place"]))
    if place.parts[:1] != ("ray",) or len(place.parts) < 3 or ".." in place.parts:
        raise ConfigError(f"{run_dir}: its study names {str(place)!r} as a saved state, which lies outside ray/")
    return (run_dir / place).parent
