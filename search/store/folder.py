"""The checks of a run's folder before a search works in it: is it ours, whole, of the same search and images?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import ConfigError
from model.files import write_atomically
from search.experiment import Experiment
from search.store import location
from search.store.records import read_trials
from search.store.resolved import differences, load_resolved, resolved

if TYPE_CHECKING:  # it brings torch
    from model.data import Dataset

LONGEST_NAME = 200  # bytes; a file system allows 255, and the files of a comparison begin with the runs' names
LEFT_BY_TRIALS = ("export", "ray/*/*/checkpoint_*")


def folder_of(out: Path, name: str) -> Path:
    """Return the folder of the run `name` below `out`. Raises ConfigError if the name or path can't be a folder's."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise ConfigError(f"--name {name}: must be the name of one folder, without '/'")
    if (size := len(name.encode("utf-8", "surrogateescape"))) > LONGEST_NAME:
        raise ConfigError(f"--name {name[:30]}...: takes {size} bytes, more than {LONGEST_NAME}; choose a shorter one")
    path = str((out / name).absolute())
    if "\n" in path or path.encode("utf-8", "replace").decode() != path:  # or the database's URL could not hold it
        raise ConfigError(f"{path}: a run's folder needs a name on one line, in UTF-8; choose another --out or --name")
    return out / name


def write_resolved(
    run_dir: Path, experiment: Experiment, data: "Dataset", digest: str, chosen: dict[str, Any] | None = None
) -> None:
    """Write a run's experiment.toml: the configuration, facts about the images, and choices; earlier ones stay."""
    elsewhere = experiment.search.storage or experiment.search.checkpoints
    shared = {"study": location.shared_name(run_dir)} if elsewhere else {}
    earlier = load_resolved(run_dir).automatic if (run_dir / "experiment.toml").exists() else {}
    automatic = {
        **earlier,
        **shared,
        "dataset": data.name,
        "data_digest": digest,
        "train_images": len(data.train),
        "validation_images": len(data.val),
        "most_frequent_class": int(data.val.labels.bincount().max()) / len(data.val),  # its share of these
        "test_images": len(data.test),
        "refit_images": len(data.train) + len(data.rest) + len(data.val),  # a few of them are held back
        **(chosen or {}),
    }
    write_atomically(run_dir / "experiment.toml", resolved(experiment, automatic).encode())


def check_folder(experiment: Experiment, run_dir: Path, *, resume: bool) -> bool:
    """Return whether a trial of this search has begun in the folder. Raises ConfigError if the search may not use it.

    It may not use a folder that holds something else, or, without `resume`, one in which its trials have begun. A
    search that ended before its first trial (no cluster at --address, say) left nothing to resume.
    """
    if not run_dir.is_dir() or not any(run_dir.iterdir()):
        return False
    is_run = location.is_run(run_dir)
    if not (run_dir / "lock").exists() and not is_run:
        raise ConfigError(f"{run_dir}: already exists and is not a run (no study.db); choose another --name")
    begun = [trial.state for trial in read_trials(run_dir) if trial.state != "waiting"] if is_run else []
    if not begun:
        _check_nothing_trained(run_dir, LEFT_BY_TRIALS if is_run else (*LEFT_BY_TRIALS, "study.db-wal"))
        return False
    if not resume:
        holds = ", ".join(f"{begun.count(state)} {state}" for state in dict.fromkeys(begun))
        raise ConfigError(
            f"{run_dir}: a search of that name exists ({holds}); continue it with --resume or choose another --name"
        )
    if changed := differences(load_resolved(run_dir), experiment):
        raise ConfigError(
            f"{run_dir}: its search had another configuration: {changed}; undo that or choose another --name "
            "(only search.trials, search.stop, [resources] and [report] may change, and ranges may be widened)"
        )
    return True


def check_data(run_dir: Path, dataset: "Dataset", digest: str) -> None:
    """Raise ConfigError if the search in a run's folder began with other images than those in `dataset`."""
    if not (run_dir / "experiment.toml").exists():
        return
    before = load_resolved(run_dir).automatic
    if before.get("data_digest", digest) != digest:
        raise ConfigError(
            f"{run_dir}: began with other images ({before.get('dataset')}, now {dataset.name}); "
            "make those available again, or choose another --name"
        )


def owner_warning(run_dir: Path) -> str | None:
    """Return a warning if the run's folder belongs to another user; None if it is the user's own."""
    owner = run_dir.stat().st_uid
    if owner == os.getuid():
        return None
    return f"{run_dir} belongs to another user (id {owner}): to go on with it is to trust them with this run"


def _check_nothing_trained(run_dir: Path, patterns: tuple[str, ...]) -> None:
    """Raise ConfigError if a run without any trial holds files of these `patterns`, which only trials leave."""
    left = [str(path.relative_to(run_dir)) for pattern in patterns for path in run_dir.glob(pattern)]
    for trained in left or location.checkpoint_store(run_dir).attempts():
        raise ConfigError(
            f"{run_dir}: its study is gone or holds no trial, though {trained} is there; "
            "restore study.db or experiment.toml from a copy, check search.storage, or choose another --name"
        )
