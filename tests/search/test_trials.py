"""Every decision on a trial, without Ray: ends, prunings, deaths, and interruptions between any two writes."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from optuna.pruners import BasePruner, MedianPruner, NopPruner

from model.errors import ConfigError
from search.progress import Progress
from search.pruner import AsyncHalvingPruner
from search.sampler import SeededSampler
from search.space import parse_space
from search.store import checkpoints, location
from search.store.records import read_trials
from search.store.stage import Stage
from search.store.study import SEARCH, StoredStudy, open_study
from search.trials import RETRIES, Trials
from tests.search.store.test_database import wrapped

SPACE = parse_space({"epochs": 4, "dropout1": {"low": 0.0, "high": 0.5}})
HALVING = AsyncHalvingPruner(grace_epochs=1, reduction_factor=2)  # rungs at epochs 1 and 2


def opened(run_dir: Path, pruner: BasePruner = HALVING) -> StoredStudy:
    """The study of a run as it lies on the disk: opened again, it is what a resumed search finds."""
    return open_study(location.open_storage(run_dir), SEARCH, SeededSampler("random", 0, SPACE.searched), pruner)


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    return opened(tmp_path)


def new_trials(tmp_path: Path, study: StoredStudy, **changes: Any) -> Trials:
    stage = Stage(tmp_path, study, SPACE, seed=1, trials=3, kept_checkpoints=1)
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


def test_last_epoch_completes_and_later_results_are_ignored(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    config = trials.next_config("a")
    assert config is not None
    assert (config["number"], config["rungs"], config["checkpoints"]) == (0, [1, 2], [])
    assert [trials.on_result("a", result(epoch, 0.5), None) for epoch in range(1, 5)] == [True, True, True, False]
    assert trials.on_result("a", result(4, 0.9), None) is False
    assert study.trial(0).value == 0.5
    assert study.trial(0).user_attrs["node"] == "here"


def test_worse_half_is_stopped_at_a_rung_but_never_at_the_last_epoch(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    run_to_the_end(trials, "a", 0.9)
    trials.next_config("b")
    assert trials.on_result("b", result(1, 0.8), None) is False
    assert states_of(study) == ["COMPLETE", "PRUNED"]
    assert study.trial(1).value == 0.8


def test_finished_only_when_nothing_can_come_back(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    for worker in "abc":
        assert trials.next_config(worker)
    assert trials.next_config("d") is None
    assert not trials.finished
    for worker in "abc":
        trials.on_result(worker, {"error": "broken"}, None)
    assert trials.finished
    assert states_of(study) == ["FAIL"] * 3


def test_a_dead_worker_hands_its_trial_to_the_next(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("w0")
    place = checkpoint(tmp_path, "w0", 1)
    trials.on_result("w0", result(1, 0.5), place)
    for attempt in range(RETRIES):
        trials.on_death(f"w{attempt}", "killed")
        again = trials.next_config(f"w{attempt + 1}")
        assert again is not None
        assert (again["number"], again["checkpoints"]) == (0, [str(place)])
    trials.on_death(f"w{RETRIES}", "killed")
    assert study.trial(0).state.name == "FAIL"
    assert study.trial(0).user_attrs["error"] == "its worker died 3 times: killed"


def test_only_checkpoints_that_can_be_needed_stay(tmp_path: Path) -> None:
    trials = new_trials(tmp_path, opened(tmp_path, NopPruner()))
    places = {}
    for worker, accuracy in (("a", 0.5), ("b", 0.9), ("c", 0.7)):
        trials.next_config(worker)
        places[worker] = checkpoint(tmp_path, worker, 4)
        for epoch in range(1, 5):
            trials.on_result(worker, result(epoch, accuracy), places[worker] if epoch == 4 else None)
    assert [places[worker].exists() for worker in "abc"] == [False, True, False]


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


def test_a_trial_is_not_judged_again_by_what_it_repeats(study: StoredStudy, tmp_path: Path) -> None:
    """Resumed behind its values, with better peers meanwhile: the rung that it passed stays passed."""
    trials = new_trials(tmp_path, study)
    trials.next_config("early")
    for epoch in (1, 2, 3):
        assert trials.on_result("early", result(epoch, 0.5), None)
    after = resumed(tmp_path)
    assert after.next_config("early again") is not None
    for worker in "bc":
        after.next_config(worker)
        run_to_the_end(after, worker, 0.9)
    assert [after.on_result("early again", result(epoch, 0.5), None) for epoch in (1, 2, 3)] == [True] * 3
    assert not after.on_result("early again", result(4, 0.6), None)
    assert after.stage.study.trial(0).value == 0.6
    assert after.stage.study.trial(0).state.name == "COMPLETE"


def test_what_an_older_driver_wrote_of_an_end_is_taken_back(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    study.set_attributes(0, ended=1.0, error="an older version was killed before it wrote the end")
    after = resumed(tmp_path)
    after.next_config("a")
    run_to_the_end(after, "a", 0.5)
    assert after.stage.study.trial(0).user_attrs["error"] is None


def test_time_out_is_named_once_and_fails(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study, trial_timeout=0.0)
    trials.next_config("a")
    assert trials.overdue() == []  # not started yet
    trials.on_start("a")
    assert trials.overdue() == ["a"]
    assert trials.overdue() == []
    trials.on_death("a", "killed")
    assert study.trial(0).user_attrs["error"] == "ran longer than resources.trial_timeout = 0 s"


@pytest.mark.parametrize(("saved", "spent"), [(None, 0.0), (2, 2.0)])
def test_only_training_that_is_not_repeated_counts_against_the_time_out(
    tmp_path: Path, saved: int | None, spent: float
) -> None:
    trials = new_trials(tmp_path, opened(tmp_path, NopPruner()))
    trials.next_config("a")
    for epoch in (1, 2, 3):  # a second each
        trials.on_result("a", result(epoch, 0.5), checkpoint(tmp_path, "a", epoch) if epoch == saved else None)
    trials.on_death("a", "killed")
    trials.next_config("b")
    assert trials.live["b"].spent == spent


def test_nothing_is_handed_out_once_stopping(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.stopped = "interrupted"
    assert trials.next_config("a") is None
    assert trials.finished
    assert new_trials(tmp_path, study, max_seconds=0.0).next_config("a") is None


def test_median_pruner_stops_what_lies_below_the_median(tmp_path: Path) -> None:
    pruner = MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    trials = new_trials(tmp_path, opened(tmp_path, pruner), trials=8)
    for worker, accuracy in zip("abcde", (0.5, 0.6, 0.7, 0.8, 0.9), strict=True):
        trials.next_config(worker)
        run_to_the_end(trials, worker, accuracy)
    trials.next_config("low")
    assert trials.on_result("low", result(1, 0.1), None)  # within the grace
    assert not trials.on_result("low", result(2, 0.1), None)
    trials.next_config("high")
    assert trials.on_result("high", result(1, 0.95), None)
    assert trials.on_result("high", result(2, 0.95), None)


def test_a_rung_that_was_survived_is_not_judged_again_by_later_peers(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("early")
    assert trials.on_result("early", result(1, 0.5), checkpoint(tmp_path, "early", 1))  # the first at its rung
    trials.next_config("late")
    assert trials.on_result("late", result(1, 0.9), None)
    trials.on_death("early", "killed")
    again = trials.next_config("early again")
    assert again is not None
    assert (again["number"], study.trial(0).state.name) == (0, "RUNNING")


def test_a_study_can_not_have_other_folders_deleted(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for place in (str(mine / "x"), "../mine/x", "mine/x", "ray/../mine/x", "ray/x"):
        with pytest.raises(ConfigError, match="outside ray/"):
            checkpoints.delete(tmp_path, {"saved_state": {"place": place, "epoch": 1}})
    assert mine.exists()


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
    study.requeue_interrupted()  # as the stage does at its end
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
    study.requeue_interrupted()
    assert read_trials(tmp_path) == []
    config = resumed(tmp_path).next_config("a")
    assert config is not None
    assert config["number"] == 0


def test_an_error_of_our_own_is_kept_even_if_the_engine_swallows_it(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    with pytest.raises(KeyError):
        trials.on_result("a", {"epoch": 1}, None)  # a result without its metrics
    assert isinstance(trials.failure, KeyError)
    assert trials.stopping


def test_a_study_with_a_gap_is_refused_and_not_renumbered(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    for worker in "abc":
        trials.next_config(worker)
    study.storage.close()
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("DELETE FROM trials WHERE number = 1")
    with pytest.raises(ConfigError, match="lacks trials, or has some twice; restore it from a copy"):
        opened(tmp_path)
