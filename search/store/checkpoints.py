"""The checkpoints of a trial: where its two newest ones lie, and when they may be deleted.

Two are kept while a trial runs, so that damage to the newest costs a few epochs and not the whole trial.
"""

from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.store import object_store
from search.store.checkpoint_store import CheckpointStore
from search.store.study import BEFORE, NEWEST, StoredStudy

# User attributes of a trial, each {"place": where it lies, "epoch": number}. Runs on disk have these names. A place in
# the run's folder is stored relative to it, so that the folder may be moved or copied.


def remember(store: CheckpointStore, study: StoredStudy, number: int, path: str, epoch: int) -> list[str]:
    """Store where a trial's newest checkpoint lies; return the folders that are not needed once it is stored.

    That is the checkpoint that was the last but one, with its whole attempt where none of that is kept.
    """
    earlier = study.trial(number).user_attrs
    newest, before = {"place": store.place_of(path), "epoch": epoch}, earlier.get(NEWEST)
    study.set_attributes(number, **{BEFORE: before, NEWEST: newest})
    displaced = earlier.get(BEFORE)
    if not displaced:
        return []
    kept = {store.attempt(stored) for stored in (newest, before) if stored}
    attempt = store.attempt(displaced)
    return [store.found(displaced["place"]) if attempt in kept else attempt]


def places(store: CheckpointStore, attributes: dict[str, Any]) -> list[str]:
    """Return the absolute paths, or the URIs, of a trial's checkpoints, the newest first.

    Raises ConfigError for a place that is not the store's: what others may have put there is not to be read.
    """
    stored = [attributes[name] for name in (NEWEST, BEFORE) if attributes.get(name)]
    for checkpoint in stored:
        store.attempt(checkpoint)
    return [store.found(checkpoint["place"]) for checkpoint in stored]


def is_there(store: CheckpointStore, attributes: dict[str, Any]) -> bool:
    """Return whether a trial's newest checkpoint lies on the disk; an object store is not asked."""
    return any(object_store.is_uri(place) or Path(place).exists() for place in places(store, attributes)[:1])


def epoch_of(attributes: dict[str, Any]) -> int:
    """Return the epoch of a trial's newest checkpoint; 0 where there is none."""
    return int(attributes[NEWEST]["epoch"]) if attributes.get(NEWEST) else 0


def delete_unneeded(store: CheckpointStore, study: StoredStudy, ended: FrozenTrial, keep: int | None) -> None:
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
        store.delete(trial)


def forget(store: CheckpointStore, study: StoredStudy, number: int) -> list[str]:
    """Forget a trial's checkpoints; return their folders, which may be deleted once that is stored."""
    attributes = study.trial(number).user_attrs
    folders = [store.attempt(attributes[name]) for name in (NEWEST, BEFORE) if attributes.get(name)]
    study.set_attributes(number, **{NEWEST: None, BEFORE: None})
    return folders


def keep_best_of_each(store: CheckpointStore, study: StoredStudy) -> None:
    """Delete the checkpoints of a study's runs but for the best of each candidate, which may still be picked."""
    kept = set()
    for trial in study.best():
        candidate = trial.user_attrs.get("candidate")
        if candidate is None or candidate in kept:  # the recipe is never exported
            store.delete(trial)
        kept.add(candidate)
