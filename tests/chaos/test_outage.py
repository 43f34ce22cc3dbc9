"""A real PostgreSQL that ends connections, goes away, comes back, or is reached through PgBouncer.

Events are given by hand, so that it is certain between which of them the server fails.
"""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from model.errors import ConfigError
from search.store import location, optuna_tables, outage
from search.store.database_errors import TakenError, what_is_lost
from search.store.records import read_trials
from search.store.shared_database import DatabaseLock
from search.store.storage import BrokenStorageError
from search.store.study import SEARCH, StoredStudy, open_study
from search.strategy.sampler import SeededSampler
from tests.chaos.postgres import Server, pooler, running_server
from tests.chaos.test_postgres import begin, folder_of
from tests.harness import until
from tests.search.studies import SEARCHED, metrics

pytestmark = pytest.mark.chaos
OTHERS = "FROM pg_stat_activity WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
END_ALL = f"SELECT pg_terminate_backend(pid) {OTHERS}"
END_WRITING = f"{END_ALL} AND state = 'idle'"  # the lock's is "idle in transaction"


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def run_dir(server: Server, tmp_path: Path) -> Path:
    return folder_of(server.url, tmp_path / "run")


@pytest.fixture
def driven(run_dir: Path) -> Iterator[StoredStudy]:
    """Return the study of a driver that holds its lock, with a trial that has begun."""
    with location.sole_driver(run_dir) as lock:
        study = open_study(location.open_storage(run_dir, lock), SEARCH, SeededSampler("random", 0, SEARCHED))
        begin(run_dir, study)
        yield study
        study.storage.close()


def epochs(run_dir: Path) -> list[int]:
    return [int(epoch["epoch"]) for record in read_trials(run_dir) for epoch in record.epochs]


def end(server: Server, which: str) -> None:
    """End connections, and wait until the server no longer names them."""
    assert server.ask(which)
    until(lambda: not server.ask(which.replace("pg_terminate_backend(pid)", "pid")), 30)


def test_a_limit_on_idle_connections_does_not_end_the_one_that_writes(server: Server, run_dir: Path) -> None:
    server.ask("ALTER ROLE postgres SET idle_session_timeout = '200ms'")
    server.ask("ALTER ROLE postgres SET idle_in_transaction_session_timeout = '1s'")
    with location.sole_driver(run_dir) as lock:
        server.ask("ALTER ROLE postgres RESET idle_in_transaction_session_timeout")  # Optuna is slow to make tables
        study = open_study(location.open_storage(run_dir, lock), SEARCH, SeededSampler("random", 0, SEARCHED))
        number = begin(run_dir, study)
        before = set(server.ask(f"SELECT pid {OTHERS}"))
        assert len(before) == 2  # the lock's, and the one that writes
        time.sleep(1.5)  # longer than both limits
        with sqlalchemy.create_engine(server.url).connect() as ordinary:  # which the limit ends
            process = ordinary.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            ordinary.rollback()
            until(lambda: process not in server.ask(f"SELECT pid {OTHERS}"), 30)
            ordinary.invalidate()
        assert set(server.ask(f"SELECT pid {OTHERS}")) == before
        study.record_epoch(number, metrics(1, 0.5))
        study.storage.close()
    assert epochs(run_dir) == [1]


def test_a_connection_that_is_ended_between_two_events_is_replaced(
    server: Server, run_dir: Path, driven: StoredStudy
) -> None:
    end(server, END_WRITING)
    driven.record_epoch(0, metrics(1, 0.5))
    assert epochs(run_dir) == [1]


def test_a_server_that_restarts_is_outlasted_and_the_lock_renewed(
    server: Server, run_dir: Path, driven: StoredStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = list[str]()
    driven.storage.on_outage = said.append
    server.stop()
    monkeypatch.setattr(outage, "_wait", lambda seconds, _: server.start() if seconds == 2 else None)
    driven.record_epoch(0, metrics(1, 0.5))
    assert epochs(run_dir) == [1]
    assert said[0].startswith("the study's database does not answer (")
    assert said[1:] == ["it answers again"]
    copy = Path(shutil.copytree(run_dir, tmp_path / "copy"))
    with pytest.raises(ConfigError, match="another search is at work on run-"), location.sole_driver(copy):
        pass


def test_a_server_that_stays_away_stops_the_search(
    server: Server, run_dir: Path, driven: StoredStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "LIMIT", 1)
    server.stop()
    with pytest.raises(OperationalError) as lost:
        driven.record_epoch(0, metrics(1, 0.5))
    assert str(what_is_lost(lost.value)).startswith("the study's database no longer answers (")
    server.start()
    with pytest.raises(BrokenStorageError):
        driven.record_epoch(0, metrics(2, 0.5))
    assert epochs(run_dir) == []


def test_a_person_who_stops_the_search_is_not_kept_waiting(
    server: Server, driven: StoredStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = list[float]()

    def give_up(seconds: float, _: Any) -> None:
        waits.append(seconds)
        driven.storage.give_up = True

    monkeypatch.setattr(outage, "_wait", give_up)
    server.stop()
    with pytest.raises(Exception, match="connection"):
        driven.record_epoch(0, metrics(1, 0.5))
    server.start()
    assert waits == [0]


def test_a_lock_that_another_driver_took_meanwhile_stops_the_search(
    server: Server, run_dir: Path, driven: StoredStudy
) -> None:
    end(server, END_ALL)
    with location.sole_driver(run_dir), pytest.raises(TakenError) as taken:
        driven.record_epoch(0, metrics(1, 0.5))
    assert "another search is at work on run-" in str(what_is_lost(taken.value))
    assert epochs(run_dir) == []


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_without_an_answer_inserts_no_trial_twice(
    run_dir: Path, driven: StoredStudy, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    dialect, lost = driven.storage.database.engine.dialect, list[bool]()
    commit = dialect.do_commit

    def lose(connection: Any) -> None:
        if lost:
            commit(connection)
            return
        lost.append(True)
        if committed:
            commit(connection)
        connection.dbapi_connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(dialect, "do_commit", lose)
    number = begin(run_dir, driven)
    driven.record_epoch(number, metrics(1, 0.5))
    assert lost
    assert [(record.number, len(record.epochs)) for record in read_trials(run_dir)] == [(0, 0), (1, 1)]


def test_a_trial_is_looked_for_only_when_the_lost_transaction_has_ended(
    server: Server, run_dir: Path, driven: StoredStudy
) -> None:
    engine = driven.storage.database.engine
    study, trial = driven.storage.database.get_study_id_from_name(driven.study.study_name), driven.trial(0)
    trial.number = 1

    def again() -> int:
        with engine.begin() as connection:
            return optuna_tables.insert_trial(connection, study, trial, again=True)

    with ThreadPoolExecutor(1) as pool, engine.connect() as lost:
        row = optuna_tables.insert_trial(lost, study, trial)
        second = pool.submit(again)
        until(lambda: second.done() or server.ask(f"SELECT pid {OTHERS} AND wait_event_type = 'Lock'"), 30)
        assert not second.done()
        lost.commit()
        assert second.result(30) == row


def test_through_a_pooler_of_transactions_the_lock_holds(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "LIMIT", 0)
    with pooler(server, "transaction") as url:
        another = sqlalchemy.create_engine(url, connect_args={"prepare_threshold": None})
        run_dir = folder_of(url, tmp_path / "run")
        with location.sole_driver(run_dir) as lock:
            study = open_study(location.open_storage(run_dir, lock), SEARCH, SeededSampler("random", 0, SEARCHED))
            for number in range(16):  # psycopg would prepare what is executed more than five times
                with another.connect() as busy:
                    if number % 2:  # it gets the connection that the storage had last
                        busy.exec_driver_sql("SELECT 1")
                    study.record_epoch(begin(run_dir, study), metrics(1, 0.5))
            another.dispose()
            copy = Path(shutil.copytree(run_dir, tmp_path / "copy"))
            with pytest.raises(ConfigError, match="another search is at work on run-"), location.sole_driver(copy):
                pass
            assert location.is_driven(copy)
            study.storage.close()
        assert not location.is_driven(copy)
        assert epochs(run_dir) == [1] * 16


def test_a_pooler_of_statements_is_refused(server: Server, tmp_path: Path) -> None:
    with pooler(server, "statement") as url:
        lock = DatabaseLock(url, "run")
        with pytest.raises(ConfigError, match="statement pooling"):
            lock.take()
