"""Our SQL on Optuna's tables compared with Optuna itself; if this fails, a new Optuna stores trials differently.

Then read optuna/storages/_rdb/models.py of that version, and bring search/store/optuna_tables.py up to date.
"""

import ast
import gc
import re
import tomllib
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from search.store import optuna_tables
from search.store.own_database import file_url
from search.store.study import SEARCH, StoredStudy
from tests.search.studies import begin, metrics, opened

ROOT = Path(__file__).parents[3]
CHANGED = "Optuna stores trials differently; bring search/store/optuna_tables.py up to date"


def everything(trial: FrozenTrial) -> dict[str, object]:
    """Return all fields of a trial except its row."""
    names = ("number", "state", "values", "datetime_start", "datetime_complete", "params", "distributions")
    names += ("user_attrs", "system_attrs", "intermediate_values")
    return {name: getattr(trial, name) for name in names}


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    """Return a study with a trial in every state, and everything that a trial can have."""
    study = opened(tmp_path)
    for _ in range(5):
        begin(study)
    for number in (0, 1, 3, 4):
        study.record_epoch(number, metrics(1, number / 7))
        study.record_epoch(number, metrics(2, number / 3))
    study.record_epoch(0, metrics(2, 0.25))
    study.finish(0, TrialState.COMPLETE)
    study.finish(1, TrialState.PRUNED)
    study.finish(2, TrialState.FAIL, "it broke: é\n'\"")
    study.requeue(3)
    study.pause(4, rung=2)
    study.finish(4, TrialState.PRUNED)
    study.promote(4)
    study.enqueue({"learning_rate": 1.0, "kernel_size": 3, "dropout1": 0.1}, candidate=7)
    study.study.ask(fixed_distributions=study.trial(0).distributions)
    study.study.add_trial(study.trial(0))
    return study


def test_a_reader_that_fails_leaves_the_garbage_collector_as_it_was(study: StoredStudy, tmp_path: Path) -> None:
    with sqlalchemy.create_engine(file_url(tmp_path / "study.db")).begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'epoch:1'"))
        try:
            for switch in (gc.disable, gc.enable):
                switch()
                with pytest.raises(ValueError, match="Expecting"):
                    optuna_tables.read_study(connection, SEARCH)
                assert gc.isenabled() == (switch is gc.enable)
        finally:
            gc.enable()


def test_optuna_reads_what_we_write(study: StoredStudy, tmp_path: Path) -> None:
    theirs = optuna.load_study(study_name=SEARCH, storage=RDBStorage(file_url(tmp_path / "study.db"))).trials
    assert [everything(trial) for trial in theirs] == [everything(trial) for trial in study.trials()], CHANGED


def test_we_read_what_optuna_writes(tmp_path: Path) -> None:
    storage = RDBStorage(file_url(tmp_path / "study.db"))
    study = optuna.create_study(study_name=SEARCH, storage=storage, direction="maximize")
    study.enqueue_trial({"x": 0.5, "kind": "a"}, user_attrs={"note": [1, None]})

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1, log=False) * trial.suggest_int("n", 2, 8, step=2)
        trial.suggest_categorical("kind", ["a", "b", None])
        trial.report(x, 1)
        if trial.number == 2:
            raise optuna.TrialPruned
        return x

    study.optimize(objective, n_trials=4)
    with storage.engine.connect() as connection:
        ours = optuna_tables.read_study(connection, SEARCH)
    assert [everything(trial) for trial in ours.values()] == [everything(trial) for trial in study.trials], CHANGED


def test_optuna_goes_on_with_what_we_wrote(study: StoredStudy, tmp_path: Path) -> None:
    theirs = optuna.load_study(study_name=SEARCH, storage=RDBStorage(file_url(tmp_path / "study.db")))
    trial = theirs.ask(fixed_distributions=study.trial(0).distributions)
    assert (trial.number, trial.params) == (5, {"learning_rate": 1.0, "kernel_size": 3, "dropout1": 0.1}), CHANGED
    theirs.tell(trial, 0.5)
    again = opened(tmp_path)
    assert again.trial(5).value == 0.5
    assert again.trial(5).state == TrialState.COMPLETE


def test_optunas_tables_have_no_new_column() -> None:
    """Compare every column of Optuna's tables; a new one may hold something that a trial needs."""
    storage = RDBStorage("sqlite://")
    inspector = sqlalchemy.inspect(storage.engine)
    columns = {name: {column["name"] for column in inspector.get_columns(name)} for name in inspector.get_table_names()}
    expected = {
        "trials": {"trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"},
        "trial_params": {"param_id", "trial_id", "param_name", "param_value", "distribution_json"},
        "trial_values": {"trial_value_id", "trial_id", "objective", "value", "value_type"},
        "trial_intermediate_values": {
            "trial_intermediate_value_id", "trial_id", "step", "intermediate_value", "intermediate_value_type",
        },
        "trial_user_attributes": {"trial_user_attribute_id", "trial_id", "key", "value_json"},
        "trial_system_attributes": {"trial_system_attribute_id", "trial_id", "key", "value_json"},
        "study_system_attributes": {"study_system_attribute_id", "study_id", "key", "value_json"},
    }  # fmt: skip
    assert {name: columns.get(name) for name in expected} == expected, CHANGED


def test_the_version_that_was_read_is_the_one_allowed() -> None:
    """Compare the version with the bound in pyproject.toml, which keeps out versions that nobody has read."""
    read = re.search(r"read in optuna (\d+)\.", ast.get_docstring(ast.parse(Path(optuna_tables.__file__).read_text())))
    assert read is not None
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [bound] = [line for line in dependencies if line.startswith("optuna")]
    assert bound.endswith(f"<{int(read[1]) + 1}")
    assert optuna.__version__.startswith(f"{read[1]}."), CHANGED
