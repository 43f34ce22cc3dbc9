"""Every decision on a trial, without Ray: ends, prunings, deaths, and interruptions between any two writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from model.errors import ConfigError
from search.experiment import Search
from search.ledger import RETRIES, Ledger
from search.progress import Progress
from search.space import parse_space
from search.stage import Stage
from search.store import checkpoints as states
from search.store import study

SPACE = parse_space({"epochs": 4, "dropout1": {"low": 0.0, "high": 0.5}})
HALVING = Search(trials=3, grace_epochs=1, reduction_factor=2, sampler="random")  # rungs at epochs 1 and 2


@pytest.fixture
def of_search(tmp_path: Path) -> optuna.Study:
    opened = study.open_study(study.open_storage(tmp_path), study.SEARCH)
    opened.set_user_attr("run_dir", str(tmp_path))
    return opened


def ledger(of_search: optuna.Study, **changes: Any) -> Ledger:
    run_dir = Path(of_search._storage.get_study_user_attrs(of_search._study_id)["run_dir"])
    stage = Stage(run_dir, of_search, SPACE, HALVING, trials=3, cpus=1, kept_states=1)
    return Ledger(replace(stage, **changes), Progress(quiet=True))


def result(epoch: int, accuracy: float) -> dict[str, Any]:
    losses = {"train_loss": 1.0, "val_loss": 1.0, "seconds": 1.0, "images_per_second": 9.0}
    return {"epoch": epoch, "val_accuracy": accuracy, **losses, "about/node": "here"}


def state(tmp_path: Path, worker: str, epoch: int) -> Path:
    place = tmp_path / "ray" / worker / f"checkpoint_{epoch}"
    place.mkdir(parents=True)
    return place


def states_of(of_search: optuna.Study) -> list[str]:
    return [trial.state.name for trial in of_search.get_trials()]


def run_to_the_end(book: Ledger, worker: str, accuracy: float) -> None:
    for epoch in range(1, 5):
        book.on_result(worker, result(epoch, accuracy), None)


def test_last_epoch_completes_and_later_results_are_ignored(of_search: optuna.Study) -> None:
    book = ledger(of_search)
    config = book.next_config("a")
    assert config is not None
    assert (config["number"], config["rungs"], config["saved_states"]) == (0, [1, 2], [])
    assert [book.on_result("a", result(epoch, 0.5), None) for epoch in range(1, 5)] == [True, True, True, False]
    assert book.on_result("a", result(4, 0.9), None) is False
    assert of_search.trials[0].value == 0.5
    assert of_search.trials[0].user_attrs["node"] == "here"


def test_worse_half_is_stopped_at_a_rung_but_never_at_the_last_epoch(of_search: optuna.Study) -> None:
    book = ledger(of_search)
    book.next_config("a")
    run_to_the_end(book, "a", 0.9)
    book.next_config("b")
    assert book.on_result("b", result(1, 0.8), None) is False
    assert states_of(of_search) == ["COMPLETE", "PRUNED"]
    assert of_search.trials[1].value == 0.8


def test_finished_only_when_nothing_can_come_back(of_search: optuna.Study) -> None:
    book = ledger(of_search)
    for worker in "abc":
        assert book.next_config(worker)
    assert book.next_config("d") is None
    assert not book.finished
    for worker in "abc":
        book.on_result(worker, {"error": "broken"}, None)
    assert book.finished
    assert states_of(of_search) == ["FAIL"] * 3


def test_a_dead_worker_hands_its_trial_to_the_next(of_search: optuna.Study, tmp_path: Path) -> None:
    book = ledger(of_search)
    book.next_config("w0")
    place = state(tmp_path, "w0", 1)
    book.on_result("w0", result(1, 0.5), place)
    for attempt in range(RETRIES):
        book.on_death(f"w{attempt}", "killed")
        again = book.next_config(f"w{attempt + 1}")
        assert again is not None
        assert (again["number"], again["saved_states"]) == (0, [str(place)])
    book.on_death(f"w{RETRIES}", "killed")
    assert of_search.trials[0].state.name == "FAIL"
    assert of_search.trials[0].user_attrs["error"] == "its worker died 3 times: killed"


def test_only_states_that_can_be_needed_stay(of_search: optuna.Study, tmp_path: Path) -> None:
    book = ledger(of_search, search=HALVING.model_copy(update={"pruner": "none"}))
    places = {}
    for worker, accuracy in (("a", 0.5), ("b", 0.9), ("c", 0.7)):
        book.next_config(worker)
        places[worker] = state(tmp_path, worker, 4)
        for epoch in range(1, 5):
            book.on_result(worker, result(epoch, accuracy), places[worker] if epoch == 4 else None)
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
def test_killed_between_two_writes(
    of_search: optuna.Study, tmp_path: Path, epoch: int, saved: bool, expected: str
) -> None:
    before = ledger(of_search)
    before.next_config("good")
    run_to_the_end(before, "good", 0.9)
    before.next_config("cut")
    trial_id = before.live["cut"].trial_id
    for done in range(1, epoch + 1):
        study.record_epoch(of_search, trial_id, {**result(done, 0.1), "clock": 1.0})
    if saved:
        place = state(tmp_path, "cut", epoch)
        saved_state = {"place": str(place.relative_to(tmp_path)), "epoch": epoch}
        study.set_attributes(of_search, trial_id, saved_state=saved_state)
    study.requeue_interrupted(of_search)
    config = ledger(of_search).next_config("next")
    assert config is not None
    assert of_search.trials[1].state.name == expected
    assert config["number"] == (1 if expected == "RUNNING" else 2)


def test_a_trial_is_not_judged_again_by_what_it_repeats(of_search: optuna.Study) -> None:
    """Resumed behind its values, with better peers meanwhile: the rung that it passed stays passed."""
    book = ledger(of_search)
    book.next_config("early")
    for epoch in (1, 2, 3):
        assert book.on_result("early", result(epoch, 0.5), None)
    study.requeue_interrupted(of_search)
    after = ledger(of_search)
    assert after.next_config("early again") is not None
    for worker in "bc":
        after.next_config(worker)
        run_to_the_end(after, worker, 0.9)
    assert [after.on_result("early again", result(epoch, 0.5), None) for epoch in (1, 2, 3)] == [True] * 3
    assert not after.on_result("early again", result(4, 0.6), None)
    assert of_search.trials[0].value == 0.6
    assert of_search.trials[0].state.name == "COMPLETE"


def test_what_a_killed_driver_wrote_of_an_end_is_taken_back(of_search: optuna.Study) -> None:
    book = ledger(of_search)
    book.next_config("a")
    study.set_attributes(of_search, book.live["a"].trial_id, ended=1.0, error="killed before the state was told")
    study.requeue_interrupted(of_search)
    after = ledger(of_search)
    after.next_config("a")
    run_to_the_end(after, "a", 0.5)
    assert of_search.trials[0].user_attrs["error"] is None


def test_time_out_is_told_once_and_fails(of_search: optuna.Study) -> None:
    book = ledger(of_search, trial_timeout=0.0)
    book.next_config("a")
    assert book.overdue() == []  # not started yet
    book.on_start("a")
    assert book.overdue() == ["a"]
    assert book.overdue() == []
    book.on_death("a", "killed")
    assert of_search.trials[0].user_attrs["error"] == "ran longer than resources.trial_timeout = 0 s"


@pytest.mark.parametrize(("saved", "spent"), [(None, 0.0), (2, 2.0)])
def test_only_training_that_is_not_repeated_counts_against_the_time_out(
    of_search: optuna.Study, tmp_path: Path, saved: int | None, spent: float
) -> None:
    book = ledger(of_search, search=HALVING.model_copy(update={"pruner": "none"}))
    book.next_config("a")
    for epoch in (1, 2, 3):  # a second each
        book.on_result("a", result(epoch, 0.5), state(tmp_path, "a", epoch) if epoch == saved else None)
    book.on_death("a", "killed")
    book.next_config("b")
    assert book.live["b"].spent == spent


def test_nothing_is_handed_out_once_stopping(of_search: optuna.Study) -> None:
    book = ledger(of_search)
    book.stopped = "interrupted"
    assert book.next_config("a") is None
    assert book.finished
    assert ledger(of_search, max_seconds=0.0).next_config("a") is None


def test_median_pruner_stops_what_lies_below_the_median(of_search: optuna.Study) -> None:
    search = Search(trials=8, pruner="median", grace_epochs=2, sampler="random")
    book = ledger(of_search, search=search, trials=8)
    for worker, accuracy in zip("abcde", (0.5, 0.6, 0.7, 0.8, 0.9), strict=True):
        book.next_config(worker)
        run_to_the_end(book, worker, accuracy)
    book.next_config("low")
    assert book.on_result("low", result(1, 0.1), None)  # within the grace
    assert not book.on_result("low", result(2, 0.1), None)
    book.next_config("high")
    assert book.on_result("high", result(1, 0.95), None)
    assert book.on_result("high", result(2, 0.95), None)


def test_a_rung_that_was_survived_is_not_judged_again_by_later_peers(of_search: optuna.Study, tmp_path: Path) -> None:
    book = ledger(of_search)
    book.next_config("early")
    assert book.on_result("early", result(1, 0.5), state(tmp_path, "early", 1))  # the first at its rung
    book.next_config("late")
    assert book.on_result("late", result(1, 0.9), None)
    book.on_death("early", "killed")
    again = book.next_config("early again")
    assert again is not None
    assert (again["number"], of_search.trials[0].state.name) == (0, "RUNNING")


def test_a_study_can_not_have_other_folders_deleted(of_search: optuna.Study, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for place in (str(mine / "x"), "../mine/x", "mine/x", "ray/../mine/x", "ray/x"):
        with pytest.raises(ConfigError, match="outside ray/"):
            states.delete(tmp_path, {"saved_state": {"place": place, "epoch": 1}})
    assert mine.exists()
