"""The study on disk: it is read as it was recorded, in every state, and interrupted trials come back."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from model.errors import ConfigError
from search.store import location
from search.store.lock import run_lock
from search.store.records import read_trials
from search.store.study import Audit, StoredStudy
from tests.search.studies import begin, metrics, opened


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    return opened(tmp_path)


def test_every_state_is_read_as_it_is(study: StoredStudy, tmp_path: Path) -> None:
    complete, pruned, failed, interrupted, running = (begin(study) for _ in range(5))
    study.enqueue({"learning_rate": 1.0, "kernel_size": 3, "dropout1": 0.1})
    for number in (complete, pruned, interrupted, running):
        study.record_epoch(number, metrics(1, 0.9))
    study.record_epoch(complete, metrics(2, 0.8))
    study.finish(complete, TrialState.COMPLETE)
    study.finish(pruned, TrialState.PRUNED)
    study.finish(failed, TrialState.FAIL, "it broke")
    study.requeue(interrupted)
    with run_lock(tmp_path):
        records = read_trials(tmp_path)
    expected = ["complete", "pruned", "failed", "interrupted", "running", "waiting"]
    assert [record.state for record in records] == expected
    assert [record.value for record in records] == [0.8, 0.9, None, None, None, None]
    assert [len(record.epochs) for record in records] == [2, 1, 0, 1, 1, 0]
    assert records[2].attributes["error"] == "it broke"
    assert read_trials(tmp_path)[4].state == "interrupted"  # its driver is gone


def test_the_database_uses_a_write_ahead_log(study: StoredStudy, tmp_path: Path) -> None:
    begin(study)
    assert (tmp_path / "study.db-wal").exists()


def test_a_repeated_epoch_replaces_the_earlier_one(study: StoredStudy, tmp_path: Path) -> None:
    number = begin(study)
    study.record_epoch(number, metrics(1, 0.1))
    study.record_epoch(number, metrics(1, 0.2))
    study.finish(number, TrialState.COMPLETE)
    assert study.trial(0).value == 0.2
    [record] = read_trials(tmp_path)
    assert (record.value, len(record.epochs)) == (0.2, 1)


def test_of_equally_good_trials_the_first_is_better(study: StoredStudy) -> None:
    for accuracy in (0.8, 0.9, 0.7, 0.9):
        number = begin(study)
        study.record_epoch(number, metrics(1, accuracy))
        study.finish(number, TrialState.COMPLETE)
    assert [trial.number for trial in study.best()] == [1, 3, 0, 2]
    assert [trial.number for trial in study.best(2)] == [1, 3]


def test_interrupted_trials_come_back_with_numbers_and_values(study: StoredStudy, tmp_path: Path) -> None:
    first, second = begin(study), begin(study)
    study.record_epoch(first, metrics(1, 0.5))
    study.set_attributes(first, saved_state={"place": "somewhere", "epoch": 1})
    before = study.trials()
    again = opened(tmp_path)
    again.requeue_interrupted()
    assert again.audit(10) == Audit(kept=0, paused=0, continued=1, restarted=1, to_do=10)
    for number in (first, second):
        assert begin(again) == number
        back = again.trial(number)
        assert (back.params, back.intermediate_values) == (before[number].params, before[number].intermediate_values)


def test_a_trial_that_comes_back_is_handed_out_before_later_ones_in_line(study: StoredStudy) -> None:
    first = begin(study)
    for rate in (1.0, 2.0):
        study.enqueue({"learning_rate": rate, "kernel_size": 3, "dropout1": 0.1})
    begin(study)
    study.requeue(first)
    assert begin(study) == first


def test_listed_points_come_first(study: StoredStudy) -> None:
    point = {"learning_rate": 1.0, "kernel_size": 3, "dropout1": 0.25}
    study.enqueue(point)
    begin(study)
    assert study.trial(0).params == point


def test_discard_leaves_nothing_of_a_search_that_never_began(study: StoredStudy, tmp_path: Path) -> None:
    study.enqueue({"dropout1": 0.1})
    (tmp_path / "ray" / "0000-search").mkdir(parents=True)
    location.discard(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no study.db"):
        read_trials(tmp_path)
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match="can't be read"):
        read_trials(tmp_path)
