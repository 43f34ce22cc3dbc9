"""A study that lost its end, its trials or everything is refused, and never silently begun again."""

import shutil
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.experiment import Experiment
from search.store import location
from search.store.folder import check_folder
from search.store.records import read_trials
from search.store.resolved import load_resolved
from search.store.study import SEARCH, open_study
from tests.chaos.damage.ways import TRIALS, refused, torn

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("log", ["no log", "a log that a kill left"])
def test_a_study_that_lost_its_end_is_refused(run_dir: Path, experiment: Experiment, tmp_path: Path, log: str) -> None:
    if log != "no log":
        storage = location.open_storage(run_dir)
        open_study(storage, SEARCH).enqueue({"dropout1": 0.1})
        run_dir = Path(shutil.copytree(run_dir, tmp_path / "killed"))
        storage.close()
    kept = {name: (run_dir / name).read_bytes() for name in ("study.db", "study.db-wal") if (run_dir / name).exists()}
    assert ("study.db-wal" in kept) == (log != "no log")

    def put(contents: bytes) -> None:
        for leftover in run_dir.glob("study.db*"):
            leftover.unlink()
        for name, content in {**kept, "study.db": contents}.items():
            (run_dir / name).write_bytes(content)

    put(kept["study.db"])
    records = read_trials(run_dir)
    assert len(records) == TRIALS + (log != "no log")
    for how, contents in torn(kept["study.db"]):
        put(contents)
        reading = refused(lambda: read_trials(run_dir), ConfigError, how, records)
        resuming = refused(lambda: location.open_storage(run_dir), ConfigError, how)
        assert reading, how
        assert resuming, how
        put(contents)
        assert not contents or refused(
            lambda: check_folder(load_resolved(run_dir), run_dir, resume=True), ConfigError, how
        )


def test_a_study_that_lost_its_trials_is_not_begun_again(run_dir: Path, experiment: Experiment) -> None:
    """Replace the study by an empty one, as when search.storage leads to another database than before."""
    (run_dir / "study.db").unlink()
    open_study(location.open_storage(run_dir), SEARCH)
    for resume in (False, True):
        with pytest.raises(ConfigError, match="its study is gone or holds no trial, though export is there"):
            check_folder(experiment, run_dir, resume=resume)
    shutil.rmtree(run_dir / "export")
    with pytest.raises(ConfigError, match="though ray/session/.*/checkpoint_000001 is there"):
        check_folder(experiment, run_dir, resume=True)
    shutil.rmtree(run_dir / "ray")
    check_folder(experiment, run_dir, resume=True)  # nothing to lose


def test_an_emptied_study_keeps_its_log(run_dir: Path) -> None:
    (run_dir / "study.db").write_bytes(b"")
    (run_dir / "study.db-wal").write_bytes(b"what may still be rescued")
    with pytest.raises(ConfigError, match="it is empty"):
        read_trials(run_dir)
    assert (run_dir / "study.db-wal").read_bytes() == b"what may still be rescued"


def test_a_kill_while_the_study_is_created_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            location.open_storage(tmp_path)
    assert not (tmp_path / "study.db").exists()
    open_study(location.open_storage(tmp_path), SEARCH)
    assert read_trials(tmp_path) == []
    assert not (tmp_path / ".study.db.new").exists()
