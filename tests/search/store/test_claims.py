"""Whose the checkpoints outside of a run's folder are: its own, wherever it is moved, and not those of a copy."""

import shutil
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.experiment import parse_experiment
from search.store.checkpoint_store import CheckpointStore
from search.store.folder import check_folder
from search.store.location import checkpoint_store
from search.store.resolved import resolved


def store(tmp_path: Path, name: str) -> CheckpointStore:
    return CheckpointStore(tmp_path / name, str(tmp_path / "mounted" / "run"))


def test_a_run_that_is_moved_keeps_its_checkpoints_and_a_copy_may_not_use_them(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    store(tmp_path, "run").claim()
    store(tmp_path, "run").claim()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    with pytest.raises(ConfigError, match="holds the checkpoints of .*/run, of which this run is a copy; go on there"):
        store(tmp_path, "copy").claim()
    (tmp_path / "run").rename(tmp_path / "moved")
    store(tmp_path, "moved").claim()
    with pytest.raises(ConfigError, match="holds the checkpoints of .*/moved,"):
        store(tmp_path, "copy").claim()


def test_a_place_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "mounted").touch()
    with pytest.raises(ConfigError, match="search.checkpoints: .*/mounted/run can't be written to "):
        store(tmp_path, "run").claim()


def test_in_its_own_folder_nothing_is_claimed(tmp_path: Path) -> None:
    CheckpointStore(tmp_path).claim()
    assert not list(tmp_path.iterdir())


def test_a_run_that_lost_its_study_is_not_begun_anew_while_its_checkpoints_are_there(tmp_path: Path) -> None:
    table = {"search": {"trials": 1, "checkpoints": str(tmp_path / "mounted")}}
    experiment, run_dir = parse_experiment(table), tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "experiment.toml").write_text(resolved(experiment, {"study": "run-1"}))
    (run_dir / "lock").touch()
    checkpoint_store(run_dir).claim()
    assert not check_folder(experiment, run_dir, resume=True)
    (tmp_path / "mounted" / "run-1" / "0000" / "00003-abc").mkdir(parents=True)
    with pytest.raises(ConfigError, match="its study is gone or holds no trial, though .*/0000/00003-abc is there"):
        check_folder(experiment, run_dir, resume=True)
