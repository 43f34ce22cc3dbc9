"""The checkpoints of a trial: where its two newest ones lie, and when they may be deleted.

Two are kept while a trial runs, so that damage to the newest costs a few epochs and not the whole trial.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from model.errors import ConfigError, summary
from search.store import object_store
from search.store.study import BEFORE, NEWEST, StoredStudy

# User attributes of a trial, each {"place": where it lies, "epoch": number}. Runs on disk have these names. A place in
# the run's folder is stored relative to it, so that the folder may be moved or copied.


@dataclass(frozen=True)
class CheckpointStore:
    """Where a run's checkpoints lie: in ray/ of its folder, or `elsewhere`: a path, or a URI of an object store."""

    run_dir: Path
    elsewhere: str | None = None

    @property
    def base(self) -> str:
        return self.elsewhere or str(self.run_dir.absolute() / "ray")

    def place_of(self, path: str) -> str:
        """Return the place, as stored, of a `path` that Ray names: it is one in the file system of `base`."""
        if self.elsewhere is None:
            return str(Path(path).relative_to(self.run_dir.absolute()))
        _, base = object_store.file_system(self.elsewhere)
        return object_store.below(self.elsewhere, str(PurePosixPath(path).relative_to(base)))

    def found(self, place: str) -> str:
        """Return the absolute path, or the URI, of a stored place."""
        return place if object_store.is_uri(place) else str(self.run_dir.absolute() / place)

    def attempt(self, stored: dict[str, Any]) -> str:
        """Return the folder of one attempt at a trial, which holds only the checkpoints of that attempt.

        Raises ConfigError for a place that is not the store's: a study that others can write to must not make us
        delete other files.
        """
        place = str(stored["place"])
        names = PurePosixPath(object_store.path_below(self.base, self.found(place)) or "..").parts
        if len(names) < 2 or ".." in names:
            raise ConfigError(f"{self.run_dir}: its study names {place!r} as a checkpoint, outside {self.base}")
        return object_store.below(self.base, "/".join(names[:-1]))

    def refusal(self) -> str | None:
        """Return why no checkpoint can be written where they lie; None if one can."""
        name = f".written-{secrets.token_hex(8)}"
        try:
            object_store.write_mark(self.elsewhere or str(self.run_dir.absolute()), name)
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or summary(error, most=200)
        return None

    def delete(self, trial: FrozenTrial) -> None:
        """Delete a trial's checkpoints, together with Ray's folders of those attempts."""
        for stored in (trial.user_attrs.get(NEWEST), trial.user_attrs.get(BEFORE)):
            if stored:
                object_store.delete(self.attempt(stored))


def remember(store: CheckpointStore, study: StoredStudy, number: int, path: str, epoch: int) -> list[str]:
    """Store where a trial's newest checkpoint lies; return the folders that are not needed once it is stored."""
    earlier = study.trial(number).user_attrs
    newest = {"place": store.place_of(path), "epoch": epoch}
    study.set_attributes(number, **{BEFORE: earlier.get(NEWEST), NEWEST: newest})
    kept = {store.attempt(stored) for stored in (newest, earlier.get(NEWEST)) if stored}
    before = [store.attempt(stored) for stored in (earlier.get(NEWEST), earlier.get(BEFORE)) if stored]
    return [attempt for attempt in before if attempt not in kept]  # Ray itself deletes the older ones of one attempt


def places(store: CheckpointStore, attributes: dict[str, Any]) -> list[str]:
    """Return the absolute paths, or the URIs, of a trial's checkpoints, the newest first."""
    stored = [attributes.get(name) for name in (NEWEST, BEFORE)]
    return [store.found(checkpoint["place"]) for checkpoint in stored if checkpoint]


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
