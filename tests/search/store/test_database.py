"""The database of a study: accepted addresses, the message if no server answers, the errors that mean it is gone."""

import socket
import sqlite3
import sys
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError, ProgrammingError

from model.data import load_dataset
from model.errors import ConfigError, is_full
from search.experiment import parse_experiment
from search.progress import Progress
from search.stages.running import SEEDS, Run
from search.store import location, outage
from search.store.checkpoint_store import CheckpointStore
from search.store.database_errors import DELETED, what_is_lost
from search.store.records import read_trials
from search.store.resolved import differences, load_resolved, resolved
from search.store.shared_database import CONNECTION, open_shared
from search.store.stage import Stage
from search.store.study import SEARCH, open_study
from search.strategy.sampler import SeededSampler
from search.trials import Trials

URL = "postgresql+psycopg://me@127.0.0.1:1/digits"
SECRET = "swordfish"


def table(storage: object = URL) -> dict[str, object]:
    return {"search": {"trials": 9, "storage": storage}, "hyperparameters": {"dropout1": {"low": 0.0, "high": 0.3}}}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Return a run folder whose configuration names a database that does not answer."""
    text = resolved(parse_experiment(table()), {"study": location.shared_name(tmp_path)})
    (tmp_path / "experiment.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("sqlite:///study.db", r"'sqlite://\.\.\.': must begin with postgresql\+psycopg://"),
        (f"mysql://me:{SECRET}@host/digits", r"'mysql://\.\.\.': must begin with"),
        (f"postgresql://me:{SECRET}@host/digits", "write postgresql.psycopg://USER@HOST/DATABASE, or leave it out"),
        (f"postgresql+psycopg://me:{SECRET}@host/digits", "a password in it .* put it into ~/.pgpass or PGPASSWORD"),
        (f"postgresql+psycopg://me:x@{SECRET}@host/digits", "a password in it"),
        (f"postgresql+psycopg://me@host/digits?password={SECRET}", "a password in it"),
        (f"postgresql+psycopg://me@host/digits?sslpassword={SECRET}", "a password in it"),
        (f"postgresql+psycopg://me:{SECRET}@host:port/digits", "not the address of a database"),
        (SECRET, "not the address of a database; write postgresql"),
        ("", "not the address of a database"),
    ],
)
def test_other_addresses_are_refused_without_showing_a_secret(storage: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^search.storage.*{said}") as refused:
        parse_experiment(table(storage))
    assert SECRET not in str(refused.value)


def test_the_database_may_not_change_on_resume() -> None:
    changed = differences(parse_experiment(table()), parse_experiment(table("postgresql+psycopg:///other")))
    assert changed == f"search.storage was '{URL}' and is now 'postgresql+psycopg:///other'"


def test_a_database_that_does_not_answer_is_named(run_dir: Path) -> None:
    assert location.is_run(run_dir)
    for ask in (read_trials, location.open_storage, location.is_driven):
        with pytest.raises(ConfigError, match=f"^{URL.replace('+', '.')}: no database answers .*Connection refused"):
            ask(run_dir)


def test_a_silent_server_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CONNECTION["connect_timeout"] == 10
    monkeypatch.setitem(CONNECTION, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = URL.replace(":1/", f":{silent.getsockname()[1]}/")
        with pytest.raises(ConfigError, match="no database answers .*timeout"):
            open_shared(url)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"needs psycopg, which is not installed; pip install 'psycopg\[binary\]'"):
        open_shared(URL)


def test_a_run_has_one_name_of_its_own(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert location.shared_name(run_dir) == location.shared_name(run_dir) == load_resolved(run_dir).automatic["study"]
    other = tmp_path_factory.mktemp("it's new!")
    assert location.shared_name(other) != location.shared_name(other)
    assert location.shared_name(other).startswith("it-s-new-")


def test_seeds_do_not_depend_on_the_name_of_a_run(tmp_path: Path, tiny_root: Path) -> None:
    """Compare the seeds with and without the run's name, which begins its study names in a shared database."""
    seeds = []
    (tmp_path / "experiment.toml").write_text(resolved(parse_experiment({"search": {"trials": 1}}), {}))
    for prefix in ("", "run-12345678/"):
        storage = location.open_storage(tmp_path)
        storage.prefix = prefix
        images = load_dataset("mnist", tiny_root, validation_images=100)
        run = Run(tmp_path, parse_experiment(table()), images, "", storage, Progress(quiet=True))
        seeds.append([run.stage(name).seed for name in SEEDS])
        assert [run.stage(name).study.study.study_name for name in SEEDS] == [prefix + name for name in SEEDS]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3


@pytest.mark.parametrize("name", ["what?", "100%20", "{braces}", "a#b", "ümlaut and space"])
def test_a_run_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    open_study(location.open_storage(tmp_path / name), SEARCH).enqueue({})
    assert (tmp_path / name / "study.db").exists()
    assert len(read_trials(tmp_path / name)) == 1


def wrapped(error: Exception, kind: type[OperationalError | ProgrammingError] = OperationalError) -> Exception:
    """Return `error` of a database as Optuna raises it: wrapped by SQLAlchemy, then by Optuna."""
    try:
        try:
            raise kind("SELECT 1", {}, error)
        except kind as cause:
            raise optuna.exceptions.StorageInternalError("An exception is raised during the commit.") from cause
    except optuna.exceptions.StorageInternalError as raised:
        return raised


def test_which_errors_mean_that_the_database_is_gone() -> None:
    for error, reason in (
        (Exception("server closed the connection\n\tthis means trouble"), "server closed the connection"),
        (sqlite3.OperationalError("database is locked"), "database is locked"),
    ):
        assert what_is_lost(wrapped(error)) == f"the study's database no longer answers ({reason}); see to it"
    full = wrapped(sqlite3.OperationalError("database or disk is full"))
    assert is_full(full)
    assert what_is_lost(full) is None
    assert what_is_lost(wrapped(Exception("no such column"), ProgrammingError)) is None
    assert what_is_lost(ValueError("anything else")) is None


def test_a_search_stops_where_its_database_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = parse_experiment(table()).space
    study = open_study(location.open_storage(tmp_path), SEARCH, SeededSampler("random", 0, space.searched))
    trials = Trials(Stage(CheckpointStore(tmp_path), study, space, seed=0, trials=9), Progress(quiet=True))
    assert trials.next_config("a")

    def lost(*_: object, **__: object) -> None:
        raise wrapped(Exception("the connection is closed"))

    with monkeypatch.context() as patched:
        patched.setattr(sqlalchemy.Engine, "begin", lost)
        patched.setattr(outage, "LIMIT", 0)
        result = {"epoch": 1, "val_accuracy": 0.5, "train_loss": 1.0, "val_loss": 1.0, "seconds": 1.0}
        assert trials.on_result("a", {**result, "images_per_second": 1.0}, None) is False
        trials.on_death("a", "stopped")
    assert trials.stopped == "the study's database no longer answers (the connection is closed); see to it"
    again = open_study(location.open_storage(tmp_path), SEARCH)
    again.requeue_interrupted()
    assert again.audit(9).to_do == 9
    assert (again.trial(0).intermediate_values, "retries" in again.trial(0).user_attrs) == ({}, False)


@pytest.mark.parametrize("next_is_new", [False, True])
def test_a_search_stops_where_its_study_was_deleted(tmp_path: Path, next_is_new: bool) -> None:
    """SQLite gives the rows of deleted trials to new ones: what is written next must not be taken for one of these."""
    space = parse_experiment(table()).space
    study = open_study(location.open_storage(tmp_path), SEARCH, SeededSampler("random", 0, space.searched))
    trials = Trials(Stage(CheckpointStore(tmp_path), study, space, seed=0, trials=9), Progress(quiet=True))
    assert trials.next_config("a")
    optuna.delete_study(study_name=SEARCH, storage=f"sqlite:///{tmp_path}/study.db")
    if next_is_new:
        assert trials.next_config("b") is None
    else:
        result = {"epoch": 1, "val_accuracy": 0.5, "train_loss": 1.0, "val_loss": 1.0, "seconds": 1.0}
        assert trials.on_result("a", {**result, "images_per_second": 1.0}, None) is False
    assert trials.stopped == DELETED
