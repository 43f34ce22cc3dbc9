"""Whose the checkpoints outside of a run's folder are: its own, wherever it is moved, and not those of a copy."""

import platform
import shutil
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.experiment import parse_experiment
from search.store import object_store
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
    with pytest.raises(
        ConfigError, match="holds the checkpoints of .*/run on .*, of which this run is a copy; go on there"
    ):
        store(tmp_path, "copy").claim()
    (tmp_path / "run").rename(tmp_path / "moved")
    store(tmp_path, "moved").claim()
    with pytest.raises(ConfigError, match="holds the checkpoints of .*/moved on "):
        store(tmp_path, "copy").claim()


def copied(tmp_path: Path, name: str) -> None:
    shutil.copytree(tmp_path / "run", tmp_path / name)


def on_host(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(platform, "node", lambda: name)


def at_its_place(tmp_path: Path, name: str) -> None:
    """Put a folder where the run lies, as another host may have it at the same path; the run's goes to `aside`."""
    (tmp_path / "run").rename(tmp_path / "aside")
    (tmp_path / name).rename(tmp_path / "run")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run on the host `first`, which has claimed the place of its checkpoints."""
    (tmp_path / "run").mkdir()
    on_host(monkeypatch, "first")
    store(tmp_path, "run").claim()
    return tmp_path / "run"


def test_a_copy_at_the_same_path_on_another_host_is_refused(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(tmp_path, "copy")
    at_its_place(tmp_path, "copy")
    on_host(monkeypatch, "second")
    with pytest.raises(ConfigError, match="the checkpoints of .*/run on first, of which this run is a copy") as refused:
        store(tmp_path, "run").claim()
    assert "delete" not in str(refused.value)


def test_a_copy_from_before_the_original_went_on_is_refused_everywhere(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(tmp_path, "copy")
    for _ in range(2):
        store(tmp_path, "run").claim()
    at_its_place(tmp_path, "copy")
    for host in ("first", "second"):
        on_host(monkeypatch, host)
        with pytest.raises(ConfigError, match="of which this run is a copy; go on there, or search under another"):
            store(tmp_path, "run").claim()


def test_a_folder_that_two_hosts_mount_goes_on_from_both(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.rename(tmp_path / "mounted-here")  # the path may be another one there
    for host in ("second", "first", "second"):
        on_host(monkeypatch, host)
        store(tmp_path, "mounted-here").claim()


def test_a_folder_that_was_moved_to_another_disk_goes_on(tmp_path: Path, run: Path) -> None:
    copied(tmp_path, "other-disk")
    shutil.rmtree(run)
    store(tmp_path, "other-disk").claim()


def test_a_folder_that_was_moved_to_another_host_goes_on_as_the_message_says(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(tmp_path, "there")
    on_host(monkeypatch, "second")
    with pytest.raises(ConfigError) as refused:
        store(tmp_path, "there").claim()
    assert f"{tmp_path}/there in the first line, 'host second' in the second" in str(refused.value)
    owner = tmp_path / "mounted" / "run" / "owner.txt"
    _, _, *rest = owner.read_text().splitlines()
    owner.write_text("\n".join([str(tmp_path / "there"), "host second", *rest]))
    store(tmp_path, "there").claim()


def test_a_kill_between_the_two_writes_of_a_claim_does_no_harm(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_place: str, _text: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(object_store, "write", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                store(tmp_path, "run").claim()
    run.rename(tmp_path / "moved")
    store(tmp_path, "moved").claim()


def test_what_an_earlier_version_recorded_is_understood(tmp_path: Path, run: Path) -> None:
    owner = tmp_path / "mounted" / "run" / "owner.txt"
    for lines in ([str(run), "inode 1"], ["/gone", f"inode {run.stat().st_ino}"]):
        owner.write_text("\n".join(lines))
        store(tmp_path, "run").claim()
        assert len(owner.read_text().splitlines()) == 4
    owner.write_text("/other/run\ninode 1")
    with pytest.raises(ConfigError, match="holds the checkpoints of /other/run, of which this run is a copy"):
        store(tmp_path, "run").claim()


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
