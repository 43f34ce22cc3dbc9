"""A search with its study in a real PostgreSQL that restarts: killed, cut off, resumed, and equal to one with SQLite.

The server is Debian's package, started and stopped here on a socket of its own; without it all tests are skipped.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError

from analysis.tables import trial_table
from model.errors import ConfigError
from search.experiment import load_experiment, parse_experiment
from search.progress import Progress
from search.run import run_search
from search.store import location, shared_database
from search.store.database_errors import DELETED, what_is_lost
from search.store.records import TrialRecord, read_trials
from search.store.resolved import load_resolved, resolved
from search.store.study import CONFIRM, SEARCH, StoredStudy, open_study
from search.strategy.sampler import SeededSampler
from tests.chaos.postgres import Server, running_server
from tests.chaos.test_equal import assert_equal
from tests.harness import command, descendants, driver, epochs_lasting, kill, log_of, patched, tiny, until
from tests.without_ray import without_ray

pytestmark = pytest.mark.chaos
TRIALS, SECONDS = 8, 2  # each trains for so long that the test sees it at work


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def run_dir(server: Server, tmp_path: Path) -> Path:
    """Return a new run folder whose configuration names the server; no trial has begun."""
    return folder_of(server.url, tmp_path / "run")


def folder_of(url: str, run_dir: Path) -> Path:
    run_dir.mkdir()
    table = {"search": {"trials": 9, "storage": url}, "hyperparameters": {"dropout1": {"low": 0.0, "high": 0.3}}}
    text = resolved(parse_experiment(table), {"study": location.shared_name(run_dir)})
    (run_dir / "experiment.toml").write_text(text)
    return run_dir


def opened(run_dir: Path) -> StoredStudy:
    sampler = SeededSampler("random", 0, load_resolved(run_dir).space.searched)
    return open_study(location.open_storage(run_dir), SEARCH, sampler)


def begin(run_dir: Path, study: StoredStudy) -> int:
    number = study.study.ask(fixed_distributions=load_resolved(run_dir).space.searched).number
    study.set_attributes(number, started=1.0)
    return number


def test_a_search_is_killed_cut_off_and_goes_on(server: Server, tmp_path: Path, tiny_root: Path) -> None:
    alone = tiny(TRIALS, epochs_lasting(SECONDS, tiny_root, tmp_path))
    (tmp_path / "alone.toml").write_text(alone)
    (tmp_path / "shared.toml").write_text(alone.replace("[search]", f'[search]\nstorage = "{server.url}"'))
    line, run_dir = ["shared.toml", "--resume", "--data", str(tiny_root)], tmp_path / "runs" / "shared"

    with driver(tmp_path, *line) as process:
        until(lambda: some_are_done_and_some_run(process, run_dir))
        before = len(finished(read_trials(run_dir)))
        server.stop()
        server.start()
        until(lambda: some_are_done_and_some_run(process, run_dir, more_than=before))
        family = descendants(process.pid)
        process.kill()
        process.wait()
        kill(family)
    until(lambda: not location.is_driven(run_dir))  # the server takes a moment to notice
    killed = read_trials(run_dir)
    assert "interrupted" in {record.state for record in killed}
    assert set(trial_table(run_dir).state) == {"complete", "interrupted"}

    with driver(tmp_path, *line, **patched("impatient")) as process:
        until(lambda: some_are_done_and_some_run(process, run_dir, more_than=len(finished(killed))))
        server.stop()
        assert process.wait(60) == 1
    server.start()
    said = log_of(tmp_path).splitlines()
    assert "the study's database no longer answers (" in said[-1]
    assert said[-1].endswith(f"go on with: python -m search {' '.join(line)}")
    assert not any("Traceback" in words for words in said)
    cut_off = read_trials(run_dir)
    assert len(finished(cut_off)) > len(finished(killed)) > 0
    unchanged(killed, cut_off)
    assert "failed" not in {record.state for record in cut_off}

    done = command(tmp_path, *line)
    assert (done.returncode, done.stderr) == (0, "")
    records = read_trials(run_dir)
    unchanged(cut_off, records)
    assert [record.number for record in records] == list(range(TRIALS))
    assert {record.state for record in records} == {"complete"}
    assert {trial.state for trial in opened(run_dir).trials()} == {TrialState.COMPLETE}
    assert not (run_dir / "study.db").exists()
    assert "complete" in (run_dir / "report" / "index.html").read_text()

    experiment = load_experiment(tmp_path / "alone.toml")
    run_search(experiment, tmp_path / "alone", Progress(quiet=True), data=tiny_root, connect=without_ray())
    assert_equal(run_dir, tmp_path / "alone")


def some_are_done_and_some_run(process: "subprocess.Popen[str]", run_dir: Path, more_than: int = 0) -> bool:
    assert process.poll() is None, "it ended before it could be stopped"
    records = read_trials(run_dir) if location.is_run(run_dir) else []
    return len(finished(records)) > more_than and any(r.state == "running" and len(r.epochs) > 2 for r in records)


def finished(records: list[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if record.state == "complete"]


def unchanged(before: list[TrialRecord], after: list[TrialRecord]) -> None:
    """Assert that finished trials are unchanged, times included, and begun ones in their numbers and parameters."""
    for was, now in zip(before, after, strict=False):
        assert was.number == now.number
        assert was == now or was.state != "complete"
        assert was.params == now.params or "started" not in was.attributes


def test_runs_in_a_shared_database_are_kept_apart(server: Server, run_dir: Path, tmp_path: Path) -> None:
    other = folder_of(server.url, tmp_path / "run two")
    begin(run_dir, opened(run_dir))
    begin(other, opened(other))
    begin(other, opened(other))
    assert [len(read_trials(folder)) for folder in (run_dir, other)] == [1, 2]
    assert read_trials(run_dir, CONFIRM) == []
    assert location.shared_name(other).startswith("run-two-")


def test_the_reader_agrees_with_optuna(run_dir: Path) -> None:
    study = opened(run_dir)
    for _ in range(4):
        number = begin(run_dir, study)
        study.record_epoch(number, {"epoch": 1, "val_accuracy": number / 7, "clock": 1.0})
        study.finish(number, TrialState.COMPLETE)
    theirs = [(trial.number, trial.params, trial.value) for trial in study.trials()]
    assert [(record.number, record.params, record.value) for record in read_trials(run_dir)] == theirs


def test_a_reader_sees_the_study_at_one_moment(server: Server, run_dir: Path) -> None:
    study = opened(run_dir)
    count = sqlalchemy.text("SELECT count(*) FROM trials")
    with shared_database.reading_shared(server.url) as connection:
        before = connection.scalar(count)
        begin(run_dir, study)
        assert connection.scalar(count) == before


def test_a_second_driver_is_refused_and_the_first_is_seen_from_a_copy(run_dir: Path, tmp_path: Path) -> None:
    begin(run_dir, opened(run_dir))
    copy = Path(shutil.copytree(run_dir, tmp_path / "copy"))
    with location.sole_driver(run_dir):
        assert read_trials(copy)[0].state == "running"
        with (
            pytest.raises(ConfigError, match="another search is at work on run-[0-9a-f]{8} "),
            location.sole_driver(copy),
        ):
            pass
    assert read_trials(copy)[0].state == "interrupted"
    with location.sole_driver(copy):
        pass


def test_the_lock_is_free_before_the_server_notices_the_end(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_still = []

    def kept(connection: sqlalchemy.Connection) -> Any:
        open_still.append(connection)
        return nullcontext(connection)

    with monkeypatch.context() as patch:
        patch.setattr(shared_database, "closing", kept)
        with location.sole_driver(run_dir):
            pass
    assert not location.is_driven(run_dir)
    [connection] = open_still
    connection.close()


def test_the_lock_outlives_a_servers_limit_on_idle_connections(server: Server, run_dir: Path) -> None:
    with sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("ALTER ROLE postgres SET idle_session_timeout = '200ms'")
        try:
            with location.sole_driver(run_dir):
                time.sleep(1)
                assert location.is_driven(run_dir)
        finally:
            connection.exec_driver_sql("ALTER ROLE postgres RESET idle_session_timeout")


def test_only_the_run_without_a_trial_is_discarded(server: Server, run_dir: Path, tmp_path: Path) -> None:
    other = folder_of(server.url, tmp_path / "other")
    opened(other).enqueue({"dropout1": 0.1})
    assert read_trials(run_dir) == []  # killed before the study was made
    opened(run_dir).enqueue({"dropout1": 0.1})
    name = f"{location.shared_name(run_dir)}/search"
    location.discard(run_dir)
    assert not location.is_run(run_dir)
    assert name not in optuna.get_all_study_names(shared_database.open_shared(server.url))
    assert [record.state for record in read_trials(other)] == ["waiting"]


def test_a_study_that_was_deleted_is_noticed(server: Server, run_dir: Path) -> None:
    study = opened(run_dir)
    number = begin(run_dir, study)
    optuna.delete_study(study_name=study.study.study_name, storage=server.url)
    with pytest.raises(IntegrityError) as caught:
        study.record_epoch(number, {"epoch": 1, "val_accuracy": 0.5, "clock": 1.0})
    assert what_is_lost(caught.value) == DELETED


def new_database(server: Server, name: str) -> str:
    with sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return server.url.replace("/postgres?", f"/{name}?")


def test_searches_that_begin_at_once_in_an_empty_database(server: Server) -> None:
    url = new_database(server, "crowded")
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _: shared_database.open_shared(url), range(4)))) == 4


def test_databases_of_others_are_refused_and_an_empty_one_has_no_trials(server: Server, tmp_path: Path) -> None:
    empty, older = new_database(server, "empty"), new_database(server, "older")
    with sqlalchemy.create_engine(older).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('v0.0.0')")
        connection.exec_driver_sql("CREATE USER guest")
    with pytest.raises(ConfigError, match=r"its tables can't be used \(The runtime optuna version"):
        shared_database.open_shared(older)
    with pytest.raises(ConfigError, match=r"its tables can't be used \(permission denied"):
        shared_database.open_shared(empty.replace("postgres@", "guest@"))
    assert read_trials(folder_of(empty, tmp_path / "run")) == []
