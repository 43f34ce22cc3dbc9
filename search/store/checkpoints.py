"""The checkpoints of a trial: where its two newest ones lie, and when they may be deleted.

Two are kept while a trial runs, so that damage to the newest costs a few epochs and not the whole trial. A checkpoint's
path is stored relative to the run folder, which may be moved or copied.
"""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from model.errors import ConfigError
from search.store.study import BEFORE, NEWEST, StoredStudy

# User attributes of a trial, each {"place": path below the run folder, "epoch": number}. Runs on disk have these names.


def remember(run_dir: Path, study: StoredStudy, number: int, checkpoint: Path, epoch: int) -> list[Path]:
    """Store the path of a trial's newest checkpoint; return the folders that are not needed once it is stored."""
    earlier = study.trial(number).user_attrs
    newest = {"place": str(checkpoint.relative_to(run_dir.absolute())), "epoch": epoch}
    study.set_attributes(number, **{BEFORE: earlier.get(NEWEST), NEWEST: newest})
    kept = {_attempt(run_dir, stored) for stored in (newest, earlier.get(NEWEST)) if stored}
    before = [_attempt(run_dir, stored) for stored in (earlier.get(NEWEST), earlier.get(BEFORE)) if stored]
    return [attempt for attempt in before if attempt not in kept]  # Ray itself deletes the older ones of one attempt


def paths(run_dir: Path, attributes: dict[str, Any]) -> list[str]:
    """Return the absolute paths of a trial's checkpoints, the newest first."""
    stored = [attributes.get(name) for name in (NEWEST, BEFORE)]
    return [str(run_dir.absolute() / checkpoint["place"]) for checkpoint in stored if checkpoint]


def is_there(run_dir: Path, attributes: dict[str, Any]) -> bool:
    """Return whether a trial's newest checkpoint lies on the disk."""
    return any(Path(path).exists() for path in paths(run_dir, attributes)[:1])


def epoch_of(attributes: dict[str, Any]) -> int:
    """Return the epoch of a trial's newest checkpoint; 0 where there is none."""
    return int(attributes[NEWEST]["epoch"]) if attributes.get(NEWEST) else 0


def delete_unneeded(run_dir: Path, study: StoredStudy, ended: FrozenTrial, keep: int | None) -> None:
    """Delete the checkpoints that are not needed once the trial `ended` has ended.

    The `keep` best complete trials keep theirs; with None all complete trials do.
    """
    if keep is None:
        unneeded = [] if ended.state == TrialState.COMPLETE else [ended]
    else:
        best = study.best(keep + 1)
        unneeded = best[keep:]  # displaced by `ended`, if any
        if ended.number not in {trial.number for trial in best[:keep]}:
            unneeded.append(ended)
    for trial in unneeded:
        delete(run_dir, trial.user_attrs)


def forget(run_dir: Path, study: StoredStudy, number: int) -> list[Path]:
    """Forget a trial's checkpoints; return their folders, which may be deleted once that is stored."""
    attributes = study.trial(number).user_attrs
    folders = [_attempt(run_dir, attributes[name]) for name in (NEWEST, BEFORE) if attributes.get(name)]
    study.set_attributes(number, **{NEWEST: None, BEFORE: None})
    return folders


def keep_best_of_each(run_dir: Path, study: StoredStudy) -> None:
    """Delete the checkpoints of a study's runs but for the best of each candidate, which may still be picked."""
    kept = set()
    for trial in study.best():
        candidate = trial.user_attrs.get("candidate")
        if candidate is None or candidate in kept:  # the recipe is never exported
            delete(run_dir, trial.user_attrs)
        kept.add(candidate)


def delete(run_dir: Path, attributes: dict[str, Any]) -> None:
    """Delete a trial's checkpoints, together with Ray's folders of those attempts."""
    for name in (NEWEST, BEFORE):
        stored = attributes.get(name)
        if stored:
            shutil.rmtree(_attempt(run_dir, stored), ignore_errors=True)


def _attempt(run_dir: Path, stored: dict[str, Any]) -> Path:
    """Return the folder of one attempt at a trial, which holds only the checkpoints of that attempt.

    Raises ConfigError for a path outside ray/: a study that others can write to must not make us delete other files.
    """
    path = PurePosixPath(str(stored["place"]))
    inside_ray = path.parts[:1] == ("ray",) and len(path.parts) >= 3 and ".." not in path.parts
    if not inside_ray:
        raise ConfigError(f"{run_dir}: its study names {str(path)!r} as a checkpoint, which lies outside ray/")
    return (run_dir / path).parent
