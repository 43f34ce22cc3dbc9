"""The saved training states of a trial: its newest and the one before, and when a state may go.

Two are kept while a trial runs, so that a damaged newest one costs a few epochs and not the trial.
"""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import optuna

from search import study
from search.space import ConfigError

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
