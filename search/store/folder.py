"""What a run's folder must be before a search may work in it: ours, whole, of the same search and the same images."""

import os
from pathlib import Path

from model.data import Dataset
from model.errors import ConfigError
from search.experiment import Experiment
from search.progress import Progress
from search.store import study
from search.store.resolved import differences, load_resolved

LEFT_BY_TRIALS = ("export", "ray/*/*/checkpoint_*")


def check_folder(experiment: Experiment, run_dir: Path, *, resume: bool) -> bool:
    """Refuse a folder that holds something else, or the same search without --resume. Raises ConfigError.

    Returns whether any trial has begun: a search that ended before (no cluster at --address, say) left nothing to
    resume.
    """
    if not run_dir.is_dir() or not any(run_dir.iterdir()):
        return False
    is_run = study.is_run(run_dir)
    if not (run_dir / "lock").exists() and not is_run:
        raise ConfigError(f"{run_dir}: is there and is no run of ours (no study.db); choose another --name")
    begun = [trial.state for trial in study.read_trials(run_dir) if trial.state != "waiting"] if is_run else []
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


def check_owner(run_dir: Path, progress: Progress) -> None:
    """Say so where the folder belongs to another user."""
    if (owner := run_dir.stat().st_uid) != os.getuid():
        progress.warn(
            f"{run_dir} belongs to another user (id {owner}): to go on with it is to trust them with this run"
        )
