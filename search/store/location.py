"""The location of a run's study: a file in the run's folder, or a database that it shares with other runs."""

import re
import secrets
import shutil
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import optuna

from model.errors import ConfigError
from search.store import object_store, shared_database
from search.store.checkpoint_store import CheckpointStore
from search.store.lock import is_live
from search.store.own_database import open_own
from search.store.resolved import load_resolved
from search.store.shared_database import DatabaseLock
from search.store.storage import RunStorage
from search.store.study import STUDIES


@dataclass(frozen=True)
class SharedStudy:
    """The URL of a database that several runs share, and the prefix of one run's study names in it."""

    url: str
    name: str


def is_run(run_dir: Path) -> bool:
    """Return whether `run_dir` is a run: it holds a study, or its configuration names the database that does."""
    return (run_dir / "study.db").exists() or shared_study(run_dir) is not None


def check_run(run_dir: Path) -> None:
    """Raise ConfigError unless `run_dir` is the folder of a run."""
    if not is_run(run_dir):
        raise ConfigError(f"{run_dir}: holds no study.db, so it is not a run; name a folder such as runs/quick")


def shared_name(run_dir: Path) -> str:
    """Return the run's name in a shared database and an object store: that in experiment.toml, or else a new one."""
    if (run_dir / "experiment.toml").exists() and (name := load_resolved(run_dir).automatic.get("study")):
        return str(name)
    readable = re.sub(r"[^\w.-]", "-", run_dir.absolute().name, flags=re.ASCII)
    return f"{readable}-{secrets.token_hex(4)}"


def shared_study(run_dir: Path) -> SharedStudy | None:
    """Return the shared database of a run; None for a run with a study.db of its own. Raises ConfigError."""
    if (run_dir / "study.db").exists() or not (run_dir / "experiment.toml").exists():
        return None
    experiment = load_resolved(run_dir)
    if not experiment.search.storage:
        return None
    return SharedStudy(experiment.search.storage, str(experiment.automatic.get("study")))


def checkpoint_store(run_dir: Path) -> CheckpointStore:
    """Return where the checkpoints of a run lie, by its configuration. Raises ConfigError."""
    if not (run_dir / "experiment.toml").exists():
        return CheckpointStore(run_dir)
    experiment = load_resolved(run_dir)
    place, name = experiment.search.checkpoints, str(experiment.automatic.get("study"))
    return CheckpointStore(run_dir, object_store.below(place, name) if place else None)


def open_storage(run_dir: Path, lock: DatabaseLock | None = None) -> RunStorage:
    """Return the storage of a run, its database created if absent. Raises ConfigError.

    `lock` is what `sole_driver` yields: it is renewed when the database was lost and answers again.
    """
    shared = shared_study(run_dir)
    if shared:
        return RunStorage(shared_database.open_shared(shared.url, lock), f"{shared.name}/")
    return RunStorage(open_own(run_dir / "study.db"))


def sole_driver(run_dir: Path) -> AbstractContextManager[DatabaseLock | None]:
    """Return a context manager that holds the run's lock in a shared database, if it uses one. Raises ConfigError.

    The lock in the run's folder is not enough there: a copy of the folder leads to the same study.
    """
    shared = shared_study(run_dir)
    return shared_database.locked(shared.url, shared.name) if shared else nullcontext()


def is_driven(run_dir: Path) -> bool:
    """Return whether a driver is at work on the run now; on any machine, if the run's database is shared."""
    shared = shared_study(run_dir)
    return is_live(run_dir) or (shared is not None and shared_database.is_locked(shared.url, shared.name))


def discard(run_dir: Path) -> None:
    """Delete the studies and the configuration of a run in which no trial has begun."""
    shared = shared_study(run_dir)
    if shared:
        with sole_driver(run_dir):
            opened = shared_database.open_shared(shared.url)
            for name in STUDIES:
                with suppress(KeyError):
                    optuna.delete_study(study_name=f"{shared.name}/{name}", storage=opened)
            opened.engine.dispose()
    shutil.rmtree(run_dir / "ray", ignore_errors=True)
    for leftover in ("experiment.toml", "study.db-wal", "study.db-shm", "study.db"):
        (run_dir / leftover).unlink(missing_ok=True)
