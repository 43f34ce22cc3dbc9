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

OWNER = "owner.txt"  # in a place outside of the run's folder: which folder it belongs to


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

    def claim(self) -> None:
        """Make the place of the checkpoints this run's own. Raises ConfigError if it can't be, or is another's.

        A copy of the run's folder leads to the same place, and would delete what the original needs.
        """
        if self.elsewhere is None:
            return
        here = self.run_dir.absolute()
        mine = [str(here), f"inode {here.stat().st_ino}"]
        try:
            object_store.make(self.elsewhere)
            owner = object_store.read(object_store.below(self.elsewhere, OWNER))
            if owner is not None and not set(owner.splitlines()) & set(mine):
                raise ConfigError(
                    f"{self.elsewhere}: holds the checkpoints of {owner.splitlines()[0]}, of which this run is a copy; "
                    f"go on there, or, if that is gone, delete the file {OWNER} there"
                )
            object_store.write(object_store.below(self.elsewhere, OWNER), "\n".join(mine))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or summary(error, most=200)
            raise ConfigError(f"search.checkpoints: {self.elsewhere} can't be written to ({reason})") from None

    def attempts(self) -> list[str]:
        """Return the folders of all attempts that lie outside of the run's folder. Raises ConfigError."""
        if self.elsewhere is None:
            return []
        try:
            sessions = [name for name in object_store.names_at(self.elsewhere) if name.isdecimal()]
            places = [object_store.below(self.elsewhere, session) for session in sessions]
            names = [(place, name) for place in places for name in object_store.names_at(place)]
        except (OSError, ValueError) as error:
            raise ConfigError(f"search.checkpoints: {self.elsewhere} can't be read ({summary(error, 200)})") from None
        return [object_store.below(place, name) for place, name in names if name.partition("-")[0].isdecimal()]

    @property
    def is_seen(self) -> bool:
        """Whether this machine sees the place that the driver has claimed, or the lock that it holds."""
        if self.elsewhere is None:
            return (self.run_dir / "lock").exists()
        try:
            return object_store.read(object_store.below(self.elsewhere, OWNER)) is not None
        except (OSError, ValueError):
            return False

    def refusal(self) -> str | None:
        """Return why no checkpoint can be written where they lie; None if one can."""
        mark = object_store.below(self.elsewhere or str(self.run_dir.absolute()), f".written-{secrets.token_hex(8)}")
        try:
            object_store.write(mark, "")
            object_store.remove(mark)
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
