"""What a run's folder must be before a search may work in it: ours, whole, of the same search and the same images."""

import os
from pathlib import Path
from typing import Any

from model.data import Dataset
from model.errors import ConfigError
from model.files import write_atomically
from search.experiment import Experiment
from search.store import location
from search.store.records import read_trials
from search.store.resolved import differences, load_resolved, resolved

LEFT_BY_TRIALS = ("export", "ray/*/*/checkpoint_*")


def folder_of(out: Path, name: str) -> Path:
    """Return the folder of the run `name` below `out`. Raises ConfigError for a name or path that can't be one."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise ConfigError(f"--name {name}: must be the name of one folder, without '/'")
    path = str((out / name).absolute())
    if "\n" in path or path.encode("utf-8", "replace").decode() != path:  # the study's address can't hold it
        raise ConfigError(f"{path}: a run's folder needs a name on one line, in UTF-8; choose another --out or --name")
    return out / name


def write_resolved(
    run_dir: Path, experiment: Experiment, data: Dataset, digest: str, chosen: dict[str, Any] | None = None
) -> None:
    """Write experiment.toml: the configuration, what was found out about the images, and what the engine chose."""
    shared = {"study": location.name_in_shared(run_dir)} if experiment.search.storage else {}
    automatic = {
        **shared,
        "dataset": data.name,
        "data_digest": digest,
        "train_images": len(data.train),
        "validation_images": len(data.val),
        "test_images": len(data.test),
        **(chosen or {}),
    }
    write_atomically(run_dir / "experiment.toml", resolved(experiment, automatic).encode())


def check_folder(experiment: Experiment, run_dir: Path, *, resume: bool) -> bool:
    """Refuse a folder that holds something else, or the same search without --resume. Raises ConfigError.

    Returns whether any trial has begun: a search that ended before (no cluster at --address, say) left nothing to
    resume.
    """
    if not run_dir.is_dir() or not any(run_dir.iterdir()):
        return False
    is_run = location.is_run(run_dir)
    if not (run_dir / "lock").exists() and not is_run:
        raise ConfigError(f"{run_dir}: is there and is no run of ours (no study.db); choose another --name")
    begun = [trial.state for trial in read_trials(run_dir) if trial.state != "waiting"] if is_run else []
    if not begun:
        patterns = LEFT_BY_TRIALS if is_run else (*LEFT_BY_TRIALS, "study.db-wal")
        if trained := next((found for pattern in patterns for found in run_dir.glob(pattern)), None):
            raise ConfigError(
                f"{run_dir}: its study is gone or holds no trial, though {trained.relative_to(run_dir)} is there; "
                "restore study.db or experiment.toml from a copy, see where search.storage leads, or choose another "
                "--name"
            )
        return False
    if not resume:
        holds = ", ".join(f"{begun.count(state)} {state}" for state in dict.fromkeys(begun))
        raise ConfigError(
            f"{run_dir}: a search of that name exists ({holds}); continue it with --resume or choose another --name"
        )
    if changed := differences(load_resolved(run_dir), experiment):
        raise ConfigError(
            f"{run_dir}: its search had another configuration: {changed}; undo that or choose another --name "
            "(only search.trials and [resources] may change)"
        )
    return True


def check_data(run_dir: Path, dataset: Dataset, digest: str) -> None:
    """A search must not go on with other images than it began with. Raises ConfigError."""
    if not (run_dir / "experiment.toml").exists():
        return
    before = load_resolved(run_dir).automatic
    if before.get("data_digest", digest) != digest:
        raise ConfigError(
            f"{run_dir}: began with other images ({before.get('dataset')}, now {dataset.name}); "
            "make those available again, or choose another --name"
        )


def owner_warning(run_dir: Path) -> str | None:
    """Return what to tell where the folder belongs to another user; None where it is one's own."""
    owner = run_dir.stat().st_uid
    if owner == os.getuid():
        return None
    return f"{run_dir} belongs to another user (id {owner}): to go on with it is to trust them with this run"
