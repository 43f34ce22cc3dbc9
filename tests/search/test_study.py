"""The study on disk: what is recorded is what is read, in every state, and the same draw follows an interruption."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from model.errors import ConfigError
from search.sampling import ask, enqueue
from search.space import parse_space
from search.store import study
from search.store.lock import run_lock

SEARCHED = parse_space(
    {
        "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
        "kernel_size": [3, 5],
        "dropout1": {"low": 0.0, "high": 0.5},
    }
).searched


def draw(of_study: optuna.Study, sampler: str = "random", seed: int = 0) -> int:
    trial = ask(of_study, SEARCHED, sampler, seed)
    study.set_attributes(of_study, trial._trial_id, started=1.0)
    return trial._trial_id


def metrics(epoch: int, accuracy: float) -> dict[str, float]:
    return {"epoch": epoch, "val_accuracy": accuracy, "train_loss": 1.0, "val_loss": 1.0, "seconds": 2.0, "clock": 7.0}


@pytest.fixture
def of_search(tmp_path: Path) -> optuna.Study:
    return study.open_study(study.open_storage(tmp_path), study.SEARCH)


def test_every_state_is_read_as_it_is(of_search: optuna.Study, tmp_path: Path) -> None:
    complete, pruned, failed, interrupted, running = (draw(of_search) for _ in range(5))
    of_search.enqueue_trial({"learning_rate": 1.0, "kernel_size": 3, "dropout1": 0.1})
    for trial_id in (complete, pruned, interrupted, running):
        study.record_epoch(of_search, trial_id, metrics(1, 0.9))
    study.record_epoch(of_search, complete, metrics(2, 0.8))
    study.finish(of_search, complete, TrialState.COMPLETE)
    study.finish(of_search, pruned, TrialState.PRUNED)
    study.finish(of_search, failed, TrialState.FAIL, "it broke")
    study.requeue(of_search, interrupted)
    with run_lock(tmp_path):
        records = study.read_trials(tmp_path)
    expected = ["complete", "pruned", "failed", "interrupted", "running", "waiting"]
    assert [record.state for record in records] == expected
    assert [record.value for record in records] == [0.8, 0.9, None, None, None, None]
    assert [len(record.epochs) for record in records] == [2, 1, 0, 1, 1, 0]
    assert records[2].attributes["error"] == "it broke"
    assert study.read_trials(tmp_path)[4].state == "interrupted"  # its driver is gone


def test_raw_reader_agrees_with_optuna(of_search: optuna.Study, tmp_path: Path) -> None:
    for _ in range(6):
        trial_id = draw(of_search)
        study.record_epoch(of_search, trial_id, metrics(1, 0.9))
        study.finish(of_search, trial_id, TrialState.COMPLETE)
    theirs = [(trial.number, trial.params, trial.value) for trial in of_search.get_trials()]
    assert [(record.number, record.params, record.value) for record in study.read_trials(tmp_path)] == theirs


def test_database_uses_a_write_ahead_log(of_search: optuna.Study, tmp_path: Path) -> None:
    assert (tmp_path / "study.db-wal").exists()


def test_repeated_epoch_replaces_the_earlier_one(of_search: optuna.Study) -> None:
    trial_id = draw(of_search)
    study.record_epoch(of_search, trial_id, metrics(1, 0.1))
    study.record_epoch(of_search, trial_id, metrics(1, 0.2))
    study.finish(of_search, trial_id, TrialState.COMPLETE)
    assert of_search.trials[0].value == 0.2


def test_interrupted_trial_comes_back_with_number_and_values(of_search: optuna.Study) -> None:
    first, second = draw(of_search), draw(of_search)
    study.record_epoch(of_search, first, metrics(1, 0.5))
    study.set_attributes(of_search, first, saved_state={"place": "somewhere", "epoch": 1})
    study.requeue_interrupted(of_search)
    assert study.audit(of_search, 10) == study.Audit(kept=0, continued=1, restarted=1, to_do=10)
    back = ask(of_search, SEARCHED, "random", 0)
    assert (back._trial_id, back.number, back.intermediate_values) == (first, 0, {1: 0.5})
    assert ask(of_search, SEARCHED, "random", 0)._trial_id == second


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_samplers_fill_the_space(of_search: optuna.Study, sampler: str) -> None:
    for value in range(14):
        trial_id = draw(of_search, sampler)
        study.record_epoch(of_search, trial_id, metrics(1, value / 20))
        study.finish(of_search, trial_id, TrialState.COMPLETE)
    trials = of_search.get_trials()
    assert all(set(trial.params) == set(SEARCHED) for trial in trials)
    assert len({trial.params["learning_rate"] for trial in trials}) == 14


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_draws_are_a_function_of_seed_number_and_history(tmp_path: Path, sampler: str) -> None:
    """Interrupted after the draw, or before anything of it was stored: the same trial follows."""
    drawn = []
    for name in ("straight", "interrupted"):
        folder = tmp_path / name
        folder.mkdir()
        of_study = study.open_study(study.open_storage(folder), study.SEARCH)
        for number in range(13):
            if name == "interrupted" and number % 2:
                of_study.ask()  # killed between the number and its values
                study.requeue_interrupted(of_study)
            trial_id = draw(of_study, sampler, seed=3)
            if name == "interrupted" and number % 3 == 0:
                study.requeue_interrupted(of_study)
                of_study = study.open_study(study.open_storage(folder), study.SEARCH)
                trial_id = draw(of_study, sampler, seed=3)
            study.record_epoch(of_study, trial_id, metrics(1, number / 20))
            study.finish(of_study, trial_id, TrialState.COMPLETE)
        drawn.append([trial.params for trial in of_study.get_trials()])
    assert drawn[0] == drawn[1]


def test_exact_repeats_are_replaced(tmp_path: Path) -> None:
    of_study = study.open_study(study.open_storage(tmp_path), study.SEARCH)
    space = parse_space({"kernel_size": [3, 5, 7], "pool": ["late", "early"]}).searched
    points = [ask(of_study, space, "random", 0).params for _ in range(6)]
    assert len({tuple(sorted(point.items())) for point in points}) == 6  # a small space is gone through to its end


def test_listed_points_come_first(of_search: optuna.Study) -> None:
    point = {"learning_rate": 1.0, "kernel_size": 3, "dropout1": 0.25}
    of_search.enqueue_trial(point)
    draw(of_search)
    assert of_search.trials[0].params == point


def test_a_search_that_never_began_leaves_nothing_in_its_way(of_search: optuna.Study, tmp_path: Path) -> None:
    of_search.enqueue_trial({"dropout1": 0.1})
    (tmp_path / "ray" / "0000-search").mkdir(parents=True)
    study.discard(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no study.db"):
        study.read_trials(tmp_path)
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match="can't be read"):
        study.read_trials(tmp_path)


def test_points_that_a_kill_left_out_are_still_put_in_line(of_search: optuna.Study) -> None:
    points = [{"learning_rate": rate, "kernel_size": 3, "dropout1": 0.25} for rate in (1.0, 0.5, 0.2)]
    enqueue(of_search, points[:1])
    for _ in range(2):
        enqueue(of_search, points)
    assert [trial.system_attrs["fixed_params"] for trial in of_search.trials] == points
