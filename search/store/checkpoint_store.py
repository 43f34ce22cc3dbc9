"""The place of a run's checkpoints: its folder, or one elsewhere that it claims, and what may be deleted there."""

import secrets
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from optuna.trial import FrozenTrial

from model.errors import ConfigError, summary
from search.store import object_store
from search.store.ownership import OWNER, renewed
from search.store.study import BEFORE, NEWEST


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

        Raises ConfigError for a place that is not the store's, or that a symbolic link leads out of: a study or a
        folder that others can write to must not make us delete other files.
        """
        place = str(stored["place"])
        names = PurePosixPath(object_store.path_below(self.base, self.found(place)) or "..").parts
        if len(names) < 2 or ".." in names:
            raise ConfigError(f"{self.run_dir}: its study names {place!r} as a checkpoint, outside {self.base}")
        folder = object_store.below(self.base, "/".join(names[:-1]))
        if not object_store.is_uri(folder) and not Path(folder).resolve().is_relative_to(self._own.resolve()):
            raise ConfigError(f"{self.run_dir}: a symbolic link leads from {place} out of {self._own}")
        return folder

    @property
    def _own(self) -> Path:
        """Return the folder on this machine's disks in which all checkpoints must lie, wherever links lead."""
        return Path(self.elsewhere or self.run_dir.absolute())

    def claim(self) -> None:
        """Make the place of the checkpoints this run's own. Raises ConfigError if it can't be, or is another's.

        A copy of the run's folder leads to the same place, and would delete what the original needs.
        """
        if self.elsewhere is None:
            if not Path(self.base).resolve().is_relative_to(self._own.resolve()):
                raise ConfigError(
                    f"{self.base}: is a symbolic link out of the run's folder, where checkpoints would be deleted; "
                    "make it a folder, or name another place for a new search by search.checkpoints"
                )
            return
        try:
            object_store.make(self.elsewhere)
            mark = object_store.below(self.elsewhere, OWNER)
            object_store.write(mark, renewed(self.run_dir, self.elsewhere, object_store.read(mark)))
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
