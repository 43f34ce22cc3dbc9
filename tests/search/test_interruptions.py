"""Interruptions of a search between any two writes: each event is stored whole or not at all, and it goes on."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from model.errors import ConfigError
from search.store.records import read_trials
from search.store.storage import BrokenStorageError
from search.store.study import StoredStudy
from search.strategy.sampler import SeededSampler
from tests.search.driven import checkpoint, new_trials, opened, result, resumed, run_to_the_end, states_of
from tests.search.store.test_database import wrapped


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    return opened(tmp_path)


@pytest.mark.parametrize(
    ("epoch", "saved", "expected"),
    [
        (4, True, "COMPLETE"),  # killed between the last value and the end: only the end is lacking
        (4, False, "RUNNING"),  # the state is older than the value: what lies between is trained again
        (2, True, "PRUNED"),  # killed between a rung's value and its decision
        (3, True, "RUNNING"),  # no decision was due
    ],
)
def test_killed_between_two_writes(study: StoredStudy, tmp_path: Path, epoch: int, saved: bool, expected: str) -> None:
    before = new_trials(tmp_path, study)
    before.next_config("good")
    run_to_the_end(before, "good", 0.9)
    before.next_config("cut")
    for done in range(1, epoch + 1):
        study.record_epoch(1, {**result(done, 0.1), "clock": 1.0})
    if saved:
        place = checkpoint(tmp_path, "cut", epoch)
        saved_state = {"place": str(place.relative_to(tmp_path)), "epoch": epoch}
        study.set_attributes(1, saved_state=saved_state)
    after = resumed(tmp_path)
    config = after.next_config("next")
    assert config is not None
    assert after.stage.study.trial(1).state.name == expected
    assert config["number"] == (1 if expected == "RUNNING" else 2)


@pytest.mark.parametrize("reached", [1, 2, 3])
def test_a_trial_is_not_judged_again_by_what_it_repeats(study: StoredStudy, tmp_path: Path, reached: int) -> None:
    """Resumed behind its values, with better peers meanwhile: the rungs that it passed, 1 and 2, stay passed."""
    trials = new_trials(tmp_path, study)
    trials.next_config("early")
    for epoch in range(1, reached + 1):
        assert trials.on_result("early", result(epoch, 0.5), None)
    after = resumed(tmp_path)
    assert after.next_config("early again") is not None
    for worker in "bc":
        after.next_config(worker)
        run_to_the_end(after, worker, 0.9)
    repeated = [after.on_result("early again", result(epoch, 0.5), None) for epoch in range(1, reached + 1)]
    assert repeated == [True] * reached
    after.on_result("early again", result(reached + 1, 0.6), None)
    assert after.stage.study.trial(0).state.name == {1: "PRUNED", 2: "RUNNING", 3: "COMPLETE"}[reached]


def test_what_an_older_driver_wrote_of_an_end_is_taken_back(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    study.set_attributes(0, ended=1.0, error="an older version was killed before it wrote the end")
    after = resumed(tmp_path)
    after.next_config("a")
    run_to_the_end(after, "a", 0.5)
    assert after.stage.study.trial(0).user_attrs["error"] is None


def test_every_event_is_on_the_disk_when_its_call_returns(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    assert trials.next_config("a")
    [record] = read_trials(tmp_path)
    assert (record.state, set(record.params)) == ("interrupted", {"dropout1"})  # "running" only while a driver lives
    trials.on_result("a", result(1, 0.5), checkpoint(tmp_path, "a", 1))
    [record] = read_trials(tmp_path)
    assert [epoch["val_accuracy"] for epoch in record.epochs] == [0.5]
    assert record.attributes["saved_state"]["epoch"] == record.attributes["passed"] == 1
    trials.on_result("a", {"error": "broken"}, None)
    [record] = read_trials(tmp_path)
    assert (record.state, record.attributes["error"]) == ("failed", "broken")


def test_every_event_is_one_transaction(study: StoredStudy, tmp_path: Path) -> None:
    commits: list[Any] = []
    sqlalchemy.event.listen(study.storage.database.engine, "commit", commits.append)
    trials = new_trials(tmp_path, study)

    def count(event: Callable[[], Any]) -> int:
        commits.clear()
        event()
        return len(commits)

    assert count(lambda: trials.next_config("a")) == 1  # its number, its parameters, its seed
    assert count(lambda: trials.on_result("a", result(1, 0.5), checkpoint(tmp_path, "a", 1))) == 1
    for worker, successor in (("a", "a1"), ("a1", "a2")):
        assert count(lambda worker=worker: trials.on_death(worker, "killed")) == 1
        assert count(lambda successor=successor: trials.next_config(successor)) == 1
    assert count(lambda: trials.on_death("a2", "killed")) == 1  # the count of deaths, and the failure
    assert count(lambda: trials.next_config("b")) == 1
    for epoch in (1, 2, 3):
        trials.on_result("b", result(epoch, 0.5), None)
    assert count(lambda: trials.on_result("b", result(4, 0.5), checkpoint(tmp_path, "b", 4))) == 1  # and its end
    assert states_of(study) == ["FAIL", "COMPLETE"]


def test_an_event_cut_short_leaves_nothing_of_itself(study: StoredStudy, tmp_path: Path) -> None:
    """Killed before each statement in turn: the disk holds what it held before the event."""
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    trials.on_result("a", result(1, 0.5), checkpoint(tmp_path, "a", 1))
    before, cut = read_trials(tmp_path), 0
    while True:
        left = [cut]

        def statement(*_: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        again = opened(tmp_path)
        again.requeue_interrupted()
        killed = new_trials(tmp_path, again)
        killed.next_config("again")
        engine = again.storage.database.engine
        sqlalchemy.event.listen(engine, "before_cursor_execute", statement)
        try:
            killed.on_result("again", result(2, 0.6), checkpoint(tmp_path, f"again{cut}", 2))
        except KeyboardInterrupt:
            assert read_trials(tmp_path) == before
        else:
            break
        finally:
            sqlalchemy.event.remove(engine, "before_cursor_execute", statement)
            again.storage.close()
        cut += 1
    assert cut >= 4  # an epoch's metrics, its value, its checkpoints
    assert len(read_trials(tmp_path)[0].epochs) == 2


def refuse(*_: Any) -> None:
    raise wrapped(sqlite3.OperationalError("database or disk is full"))


def test_a_disk_that_is_full_when_a_trial_is_asked_for_stops_the_search_tidily(tmp_path: Path) -> None:
    """Nothing of the trial is stored, and nothing more is written: the disk stays at the last whole event."""
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    before = read_trials(tmp_path)
    engine = study.storage.database.engine
    sqlalchemy.event.listen(engine, "before_cursor_execute", refuse)
    assert trials.next_config("b") is None
    assert trials.stopped == f"the disk of {tmp_path} is full; free some room"
    sqlalchemy.event.remove(engine, "before_cursor_execute", refuse)
    with pytest.raises(BrokenStorageError):
        study.requeue_interrupted()
    assert read_trials(tmp_path) == before
    after = resumed(tmp_path)
    again = [after.next_config(worker) for worker in "ab"]
    assert [config and config["number"] for config in again] == [0, 1]


def test_an_interrupt_within_a_draw_leaves_a_study_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SeededSampler, "sample_relative", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trials.next_config("a")
    with pytest.raises(BrokenStorageError):
        study.requeue_interrupted()
    assert read_trials(tmp_path) == []
    config = resumed(tmp_path).next_config("a")
    assert config is not None
    assert config["number"] == 0


def test_a_study_with_a_gap_is_refused_and_not_renumbered(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    for worker in "abc":
        trials.next_config(worker)
    study.storage.close()
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("DELETE FROM trials WHERE number = 1")
    with pytest.raises(ConfigError, match="lacks trials, or has some twice; restore it from a copy"):
        opened(tmp_path)
