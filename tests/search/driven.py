"""The decisions of a search, driven by hand: a study on disk, its trials, and what workers would report of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.pruners import BasePruner

from search.progress import Progress
from search.space import parse_space
from search.store import location
from search.store.checkpoint_store import CheckpointStore
from search.store.stage import Stage
from search.store.study import SEARCH, StoredStudy, open_study
from search.strategy.pruner import AsyncHalvingPruner
from search.strategy.sampler import SeededSampler
from search.trials import Trials

SPACE = parse_space({"epochs": 4, "dropout1": {"low": 0.0, "high": 0.5}})
HALVING = AsyncHalvingPruner(grace_epochs=1, reduction_factor=2)  # rungs at epochs 1 and 2


def opened(run_dir: Path, pruner: BasePruner = HALVING) -> StoredStudy:
    """The study of a run as it lies on the disk: opened again, it is what a resumed search finds."""
    return open_study(location.open_storage(run_dir), SEARCH, SeededSampler("random", 0, SPACE.searched), pruner)


def new_trials(tmp_path: Path, study: StoredStudy, **changes: Any) -> Trials:
    stage = Stage(CheckpointStore(tmp_path), study, SPACE, seed=1, trials=3, kept_checkpoints=1)
    return Trials(replace(stage, **changes), Progress(quiet=True))


def resumed(tmp_path: Path) -> Trials:
    """The trials of a new driver, after a killed one."""
    study = opened(tmp_path)
    study.requeue_interrupted()
    return new_trials(tmp_path, study)


def result(epoch: int, accuracy: float) -> dict[str, Any]:
    losses = {"train_loss": 1.0, "val_loss": 1.0, "seconds": 1.0, "images_per_second": 9.0}
    return {"epoch": epoch, "val_accuracy": accuracy, **losses, "about/node": "here"}


def checkpoint(tmp_path: Path, worker: str, epoch: int) -> Path:
    place = tmp_path / "ray" / worker / f"checkpoint_{epoch}"
    place.mkdir(parents=True)
    return place


def states_of(study: StoredStudy) -> list[str]:
    return [trial.state.name for trial in study.trials()]


def run_to_the_end(trials: Trials, worker: str, accuracy: float) -> None:
    for epoch in range(1, 5):
        trials.on_result(worker, result(epoch, accuracy), None)
