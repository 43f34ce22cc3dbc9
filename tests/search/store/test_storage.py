"""The storage of a run: Optuna's own tests of storages, and that whatever memory holds the database holds too."""

import math
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState

from search.store import location
from search.store.own_database import file_url
from search.store.storage import RunStorage
from search.store.study import SEARCH
from tests.search.store.test_optuna_tables import everything
from tests.search.studies import begin, opened


@pytest.fixture
def storage(tmp_path: Path) -> BaseStorage:
    return location.open_storage(tmp_path)


class TestAsOptunaTestsStorages(StorageTestCase):
    @pytest.mark.xfail(
        raises=TypeError, strict=True, reason="the driver is the only writer: its storage is not pickled"
    )
    def test_pickle_storage(self, storage: BaseStorage) -> None:
        super().test_pickle_storage(storage)


def test_every_change_of_memory_is_written_through() -> None:
    changing = {name for name in vars(BaseStorage) if name.startswith(("create_", "set_", "delete_"))}
    assert len(changing) > 9
    assert changing <= set(vars(RunStorage))


def test_attributes_of_a_study_are_stored_and_a_deleted_study_is_gone(tmp_path: Path) -> None:
    study = opened(tmp_path)
    begin(study)
    study.study.set_user_attr("note", [1, None])
    study.study.set_user_attr("note", [2, None])
    theirs = RDBStorage(file_url(tmp_path / "study.db"))
    assert optuna.load_study(study_name=SEARCH, storage=theirs).user_attrs == {"note": [2, None]}
    assert opened(tmp_path).study.user_attrs == {"note": [2, None]}
    optuna.delete_study(study_name=SEARCH, storage=study.storage)
    assert optuna.get_all_study_names(RDBStorage(file_url(tmp_path / "study.db"))) == []
    assert opened(tmp_path).trials() == []


def test_values_that_are_not_finite_are_read_back_by_us_and_by_optuna(tmp_path: Path) -> None:
    study = opened(tmp_path)
    numbers = [begin(study) for _ in range(3)]
    for step, value in enumerate((math.nan, math.inf, -math.inf, 0.5, 0.25)):
        study.storage.set_trial_intermediate_value(study._id(0), step, value)
    study.storage.set_trial_intermediate_value(study._id(0), 3, math.nan)  # a repeated step
    study.storage.set_trial_intermediate_value(study._id(0), 0, 0.75)
    for number, value in zip(numbers, (math.inf, -math.inf, 0.5), strict=True):
        study.storage.set_trial_state_values(study._id(number), TrialState.COMPLETE, [value])
    theirs = optuna.load_study(study_name=SEARCH, storage=RDBStorage(file_url(tmp_path / "study.db"))).trials
    ours = opened(tmp_path).trials()
    for read in (ours, theirs):
        assert repr([everything(trial) for trial in read]) == repr([everything(trial) for trial in study.trials()])
    assert repr(list(ours[0].intermediate_values.values())) == "[0.75, inf, -inf, nan, 0.25]"


def test_a_value_that_is_not_a_number_is_refused_before_anything_changes(tmp_path: Path) -> None:
    study = opened(tmp_path)
    begin(study)
    with pytest.raises(ValueError, match="none may be NaN"):
        study.storage.set_trial_state_values(study._id(0), TrialState.COMPLETE, [math.nan])
    assert study.trial(0).state == TrialState.RUNNING
    study.finish(0, TrialState.FAIL)
    assert opened(tmp_path).trial(0).state == TrialState.FAIL


def test_values_of_several_objectives_are_kept(tmp_path: Path) -> None:
    storage = location.open_storage(tmp_path)
    study = optuna.create_study(storage=storage, study_name="two", directions=["minimize", "maximize"])
    study.optimize(lambda _: (1.0, 2.0), n_trials=2)
    assert storage.get_study_directions(0) == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
    stored = RDBStorage(file_url(tmp_path / "study.db"))
    assert [trial.values for trial in optuna.load_study(study_name="two", storage=stored).trials] == [[1.0, 2.0]] * 2
