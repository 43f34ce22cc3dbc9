"""A storage that is lost between two writes: the run stops with the reason, whatever it was about to write."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from model.errors import ConfigError
from search.run import correctable
from search.store.records import read_trials
from search.store.storage import BrokenStorageError, RunStorage
from search.store.study import SEARCH, STUDIES
from tests.search.driven import new_trials, opened, result
from tests.searches import Go, experiment, numbers

pytestmark = pytest.mark.usefixtures("one_thread")
PROMOTED = {
    "search": {"trials": 4, "pruner": "promote", "grace_epochs": 1},
    "hyperparameters": {"batch_size": 100},
    "confirm": {"top": 1, "seeds": 2},
}
FULL = sqlite3.OperationalError("database or disk is full")
GONE = sqlite3.OperationalError("server closed the connection unexpectedly")


def lose(monkeypatch: pytest.MonkeyPatch, error: Exception, nth: int | None) -> list[int]:
    """Let the `nth` transaction that writes fail with `error`; return a list that gets the numbers of all."""
    real, begun = RunStorage._written, list[int]()

    def refuse(_: sqlalchemy.Connection) -> None:
        raise sqlalchemy.exc.OperationalError("INSERT", {}, error)

    @contextmanager
    def written(storage: RunStorage) -> Iterator[None]:
        with real(storage):
            yield
            if storage._pending:
                begun.append(len(begun))
                if begun[-1] == nth:
                    storage._pending.append(refuse)

    monkeypatch.setattr(RunStorage, "_written", written)
    return begun


def test_every_write_after_a_failed_transaction_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    before = read_trials(tmp_path)
    lose(monkeypatch, FULL, nth=0)
    trials.on_result("a", result(1, 0.5), None)
    assert trials.stopped == f"the disk of {tmp_path} is full; free some room"
    writes: list[Callable[[], Any]] = [
        lambda: study.set_attributes(0, note="new"),
        lambda: study.enqueue({"dropout1": 0.1}),
        study.requeue_interrupted,
        lambda: study.study.ask(),
    ]
    for write in writes:
        with pytest.raises(BrokenStorageError) as raised:
            write()
        assert "database or disk is full" in str(raised.value.__cause__)
    assert read_trials(tmp_path) == before


def test_a_run_whose_storage_is_lost_at_any_write_stops_and_says_so(
    go_without: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        begun = lose(patched, FULL, nth=None)
        whole = go_without(experiment(**PROMOTED), "whole")
        events = len(begun)
    assert {trial.state for trial in read_trials(whole.run_dir, SEARCH)} == {"pruned", "complete"}
    for nth in range(events):
        error, said = ((FULL, "free some"), (GONE, "database no longer answers (server closed"))[nth % 2]
        name = f"run{nth}"
        with monkeypatch.context() as patched:
            lose(patched, error, nth)
            try:
                with correctable():
                    stopped = go_without(experiment(**PROMOTED), name).stopped
            except ConfigError as refused:  # before the first stage
                stopped = str(refused)
        assert stopped is not None, f"write {nth} of {events} was lost in silence"
        assert said in stopped
        assert go_without(experiment(**PROMOTED), name).stopped is None
        for study in STUDIES:
            assert numbers(whole.run_dir.parent / name, study) == numbers(whole.run_dir, study)
