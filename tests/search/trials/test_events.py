"""Every decision on a trial, without Ray: ends, prunings, deaths, time-outs."""

from pathlib import Path

import pytest
from optuna.pruners import MedianPruner, NopPruner

from search.space import parse_space
from search.store.study import StoredStudy
from search.trials.attempt import RETRIES
from tests.search.driven import checkpoint, new_trials, opened, result, run_to_the_end, states_of


@pytest.fixture
def study(tmp_path: Path) -> StoredStudy:
    return opened(tmp_path)


def test_last_epoch_completes_and_later_results_are_ignored(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    config = trials.next_config("a")
    assert config is not None
    assert (config["number"], config["pauses"], config["checkpoints"]) == (0, [], [])
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


def test_an_error_of_our_own_is_kept_even_if_the_engine_swallows_it(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    with pytest.raises(KeyError):
        trials.on_result("a", {"epoch": 1}, None)  # a result without its metrics
    assert isinstance(trials.failure, KeyError)
    assert trials.stopping


def test_failed_trials_are_tried_again_when_that_is_asked_for(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    for worker in "abc":
        trials.next_config(worker)
    trials.on_result("b", result(1, 0.4), checkpoint(tmp_path, "b", 1))
    for worker in "abc":
        trials.on_result(worker, {"error": "broken"}, None)
    assert states_of(opened(tmp_path)) == ["FAIL"] * 3
    again = opened(tmp_path)
    assert again.retry_failed() == 3
    assert states_of(opened(tmp_path)) == ["WAITING"] * 3
    trials = new_trials(tmp_path, again)
    configs = [trials.next_config(worker) for worker in "def"]
    assert [config and (config["number"], config["checkpoints"]) for config in configs] == [(0, []), (1, []), (2, [])]
    run_to_the_end(trials, "d", 0.9)
    assert study.trial(0).params == again.trial(0).params
    assert (again.trial(0).state.name, again.trial(0).user_attrs["error"]) == ("COMPLETE", None)


def timed(epoch: int, accuracy: float, milliseconds: float) -> dict[str, object]:
    return {**result(epoch, accuracy), "about/milliseconds_per_image": milliseconds}


def test_a_network_that_is_too_slow_ends_after_its_first_epoch_and_never_leads(
    study: StoredStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = new_trials(tmp_path, study, max_milliseconds_per_image=2.0)
    trials.progress.quiet = False
    trials.next_config("slow")
    assert not trials.on_result("slow", timed(1, 0.99, 2.5), None)
    trials.next_config("fast")
    assert trials.on_result("fast", timed(1, 0.5, 2.0), None)  # though it is the worse half
    for epoch in (2, 3, 4):
        trials.on_result("fast", result(epoch, 0.5), None)
    assert states_of(study) == ["PRUNED", "COMPLETE"]
    assert [trial.number for trial in study.best()] == [1]
    told = "2.5 ms per image, constraints.max_milliseconds_per_image is 2"
    assert study.trial(0).user_attrs["broken_constraint"] == told
    assert told in capsys.readouterr().out
    assert "broken_constraint" not in study.trial(1).user_attrs


def test_a_single_epoch_does_not_save_a_slow_network(study: StoredStudy, tmp_path: Path) -> None:
    space = parse_space({"epochs": 1, "dropout1": {"low": 0.0, "high": 0.5}})
    trials = new_trials(tmp_path, study, max_milliseconds_per_image=2.0, space=space)
    trials.next_config("slow")
    assert not trials.on_result("slow", timed(1, 0.99, 2.5), None)
    assert states_of(study) == ["PRUNED"]


def test_without_a_limit_the_time_is_stored_and_decides_nothing(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study)
    trials.next_config("slow")
    assert trials.on_result("slow", timed(1, 0.9, 1e6), None)
    assert study.trial(0).user_attrs["milliseconds_per_image"] == 1e6


def test_a_trial_is_timed_once_so_that_a_resumed_one_is_decided_on_alike(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study, max_milliseconds_per_image=2.0)
    trials.next_config("a")
    assert trials.on_result("a", timed(1, 0.9, 1.5), None)
    trials.on_death("a", "killed")
    trials.next_config("b")  # from its beginning, on a machine that is busy
    assert trials.on_result("b", timed(1, 0.9, 9.9), None)
    assert study.trial(0).user_attrs["milliseconds_per_image"] == 1.5


def test_an_outage_of_the_database_does_not_count_against_the_time_out(study: StoredStudy, tmp_path: Path) -> None:
    trials = new_trials(tmp_path, study, trial_timeout=30.0)
    trials.next_config("a")
    trials.on_start("a")
    assert trials.live["a"].began is not None
    trials.live["a"].began -= 100.0
    study.storage.waited += 80.0  # most of them
    assert trials.overdue() == []
    study.storage.waited -= 60.0
    assert trials.overdue() == ["a"]
