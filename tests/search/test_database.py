"""Where a study lies: which addresses are taken, what is said when nobody answers, and which errors mean it is gone."""

import socket
import sqlite3
import sys
from pathlib import Path

import optuna
import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from model.errors import ConfigError, is_full
from search.experiment import parse_experiment
from search.ledger import Ledger
from search.progress import Progress
from search.stage import SEEDS, Stage
from search.store import database, study
from search.store.database import PATIENCE, open_shared, why_lost
from search.store.resolved import differences, load_resolved, resolved

URL = "postgresql+psycopg://me@127.0.0.1:1/digits"
SECRET = "swordfish"


def table(storage: object = URL) -> dict[str, object]:
    return {"search": {"trials": 9, "storage": storage}, "hyperparameters": {"dropout1": {"low": 0.0, "high": 0.3}}}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose study is to lie in a database that does not answer."""
    text = resolved(parse_experiment(table()), {"study": study.name_in_shared(tmp_path)})
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
def test_other_addresses_are_refused_and_no_secret_is_shown(storage: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^search.storage.*{said}") as refused:
        parse_experiment(table(storage))
    assert SECRET not in str(refused.value)


def test_the_database_may_not_change_on_resume() -> None:
    changed = differences(parse_experiment(table()), parse_experiment(table("postgresql+psycopg:///other")))
    assert changed == f"search.storage was '{URL}' and is now 'postgresql+psycopg:///other'"


def test_nobody_answers(run_dir: Path) -> None:
    assert study.is_run(run_dir)
    for ask in (study.read_trials, study.open_storage, study.is_driven):
        with pytest.raises(ConfigError, match=f"^{URL.replace('+', '.')}: no database answers .*Connection refused"):
            ask(run_dir)


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PATIENCE["connect_timeout"] == 10
    monkeypatch.setitem(PATIENCE, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = URL.replace(":1/", f":{silent.getsockname()[1]}/")
        with pytest.raises(ConfigError, match="no database answers .*timeout"):
            open_shared(url, "run")


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"needs psycopg, which is not there; pip install 'psycopg\[binary\]'"):
        open_shared(URL, "run")


def test_a_run_has_one_name_of_its_own(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert study.name_in_shared(run_dir) == study.name_in_shared(run_dir) == load_resolved(run_dir).automatic["study"]
    other = tmp_path_factory.mktemp("it's new!")
    assert study.name_in_shared(other) != study.name_in_shared(other)
    assert study.name_in_shared(other).startswith("it-s-new-")


def test_seeds_do_not_depend_on_the_name_of_a_run(tmp_path: Path) -> None:
    storage = study.open_storage(tmp_path)
    storage.prefix = "run-12345678/"
    search = parse_experiment(table()).search
    for name in SEEDS:
        of_stage = study.open_study(storage, name)
        assert of_stage.study_name == f"run-12345678/{name}"
        assert Stage(tmp_path, of_stage, parse_experiment(table()).space, search, trials=1, cpus=1).name == name


@pytest.mark.parametrize("name", ["what?", "100%20", "{braces}", "a#b", "ümlaut and space"])
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    of_search = study.open_study(study.open_storage(tmp_path / name), study.SEARCH)
    of_search.enqueue_trial({})
    assert (tmp_path / name / "study.db").exists()
    assert len(study.read_trials(tmp_path / name)) == 1


def wrapped(error: Exception, kind: type[OperationalError | ProgrammingError] = OperationalError) -> Exception:
    """As Optuna raises it: its own error, from SQLAlchemy's, of what the database said."""
    try:
        try:
            raise kind("SELECT 1", {}, error)
        except kind as cause:
            raise optuna.exceptions.StorageInternalError("An exception is raised during the commit.") from cause
    except optuna.exceptions.StorageInternalError as raised:
        return raised


def test_which_errors_mean_that_the_database_is_gone() -> None:
    assert why_lost(wrapped(Exception("server closed the connection\n\tthis means trouble"))) == (
        "server closed the connection"
    )
    assert why_lost(wrapped(sqlite3.OperationalError("database is locked"))) == "database is locked"
    full = wrapped(sqlite3.OperationalError("database or disk is full"))
    assert is_full(full)
    assert why_lost(full) is None
    assert why_lost(wrapped(Exception("no such column"), ProgrammingError)) is None
    assert why_lost(ValueError("anything else")) is None


def test_a_search_tells_that_its_database_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = parse_experiment(table())
    of_search = study.open_study(study.open_storage(tmp_path), study.SEARCH)
    ledger = Ledger(Stage(tmp_path, of_search, experiment.space, experiment.search, 9, 1), Progress(quiet=True))
    assert ledger.next_config("a")

    def lost(*_: object, **__: object) -> None:
        raise wrapped(Exception("the connection is closed"))

    with monkeypatch.context() as patched:
        patched.setattr(database.RDBStorage, "set_trial_user_attr", lost)
        patched.setattr(database.RDBStorage, "set_trial_state_values", lost)
        result = {"epoch": 1, "val_accuracy": 0.5, "train_loss": 1.0, "val_loss": 1.0, "seconds": 1.0}
        assert ledger.on_result("a", {**result, "images_per_second": 1.0}, None) is False
        ledger.on_death("a", "stopped")
    assert ledger.stopped == "the study's database no longer answers (the connection is closed); see to it"
    study.requeue_interrupted(of_search)
    assert study.audit(of_search, 9).to_do == 9
    assert "retries" not in of_search.trials[0].user_attrs
