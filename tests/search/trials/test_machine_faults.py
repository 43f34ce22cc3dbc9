"""Faults of machines, by a clock that is set by hand: who rests, who is left out, when it is an outage."""

from pathlib import Path
from typing import Any

import pytest

from search.trials import MachineFaults, Trials
from search.trials.machine_faults import LONGEST_REST, MOST_FAULTS, OUTAGE, REST, MachineFault
from tests.search.driven import checkpoint, new_trials, opened, result, states_of

A, B = (MachineFault(place, f"host {place}", "can't save a checkpoint (stale)") for place in "ab")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults(clock: Clock) -> MachineFaults:
    return MachineFaults(clock)


def fault(of: MachineFault, **more: Any) -> dict[str, Any]:
    """Return a fault as a worker reports it."""
    return {"machine": of.reason, "place": of.place, "place_name": of.name, **more}


def saved(tmp_path: Path, worker: str, place: str, epoch: int) -> tuple[dict[str, Any], Path]:
    return {**result(epoch, 0.5), "places": [place]}, checkpoint(tmp_path, f"{worker}-{epoch}", epoch)


def test_a_machine_rests_longer_after_each_fault_in_a_row(faults: MachineFaults, clock: Clock) -> None:
    rests = []
    for _ in range(6):
        for _worker in range(8):  # which all have their place on this machine
            faults.note(A)
        began = clock.now
        while faults.is_avoided("a"):
            clock.now += 1
        rests.append(clock.now - began)
    assert rests == [REST, 2 * REST, 4 * REST, 8 * REST, LONGEST_REST, LONGEST_REST]


def test_a_machine_that_saves_again_is_sound_again(faults: MachineFaults) -> None:
    assert str(A) == "host a can't save a checkpoint (stale)"
    assert faults.note(A) == f"{A}; its trials go elsewhere or wait"
    assert faults.note(A) is None  # it was said
    assert faults.avoided == ["a"]
    assert faults.note_checkpoint(1, ["b"]) == []
    assert faults.note_checkpoint(0, ["a"]) == ["host a"]
    assert faults.avoided == []
    assert faults.note(A) is not None


def test_a_machine_is_left_out_that_can_not_do_what_others_do(faults: MachineFaults, clock: Clock) -> None:
    faults.note(A)
    clock.now += 1
    faults.note_checkpoint(1, ["b"])
    said = []
    for _ in range(MOST_FAULTS):
        clock.now += LONGEST_REST
        said.append(faults.note(A))
    assert said == [None, None, "host a is left out: it can't save a checkpoint (stale)"]
    clock.now += 1e9
    assert faults.avoided == ["a"]
    assert faults.left_out == [A]
    faults.note(B)
    assert faults.unresolved == [f"host a is left out: it {A.reason}", f"host b {B.reason}"]


def test_nobody_is_left_out_for_an_outage(faults: MachineFaults, clock: Clock) -> None:
    for _ in range(9):
        for machine in (A, B):
            faults.note(machine)
        clock.now += LONGEST_REST
    faults.note_checkpoint(0, ["a"])  # it is over
    clock.now += 1
    assert faults.note(B) is None  # of a trial that was caught by its end
    assert faults.left_out == []
    assert not faults.is_outage([])


def test_an_outage_ends_the_stage_after_a_while_and_charges_nobody(tmp_path: Path, clock: Clock) -> None:
    study = opened(tmp_path)
    trials = Trials(new_trials(tmp_path, study).stage, new_trials(tmp_path, study).progress, None, MachineFaults(clock))
    attempts = 0
    while not trials.stopped:
        attempts += 1
        assert attempts < 1000
        worker = str(attempts)
        assert trials.next_config(worker)
        trials.on_start(worker)
        trials.live[worker].began = clock.now
        rests = trials.on_result(worker, fault(A), None)
        while rests and not trials.stopped:
            clock.now += 1
            rests = trials.on_result(worker, {**fault(A), "machine": ""}, None)
    assert clock.now >= OUTAGE
    assert trials.stopped == f"no machine has saved a checkpoint for 10 minutes: {A}; correct the cause"
    assert attempts < 30
    assert states_of(study) == ["WAITING"]
    assert not {"retries", "deaths_in_a_row", "error"} & set(study.trial(0).user_attrs)


def test_no_outage_is_seen_while_a_trial_from_before_goes_on(faults: MachineFaults, clock: Clock) -> None:
    clock.now = 10.0
    faults.note(A)
    clock.now += OUTAGE
    assert not faults.is_outage([None, 9.0])
    assert faults.is_outage([None, 11.0])


def test_a_fault_of_the_machine_sends_the_trial_elsewhere_uncharged(tmp_path: Path) -> None:
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study, trials=1)
    for attempt in "cdefgh":
        config = trials.next_config(attempt)
        assert config
        assert config["avoided"] == ([] if attempt == "c" else ["a"])
        assert trials.on_result(attempt, fault(A), None)  # its worker rests
        assert trials.on_result(attempt, {**fault(A), "machine": ""}, None)
        assert study.trial(0).state.name == "WAITING"
    assert trials.next_config("z")
    assert trials.on_result("z", *saved(tmp_path, "z", "b", 1))
    assert not {"retries", "deaths_in_a_row", "error"} & set(study.trial(0).user_attrs)


def test_a_bad_machine_among_eight_eats_no_trial_and_ends_no_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of eight workers never saves: with it each trial met ten failures in a row, and the search its end."""
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study, trials=12, max_consecutive_failures=10)
    resting: set[str] = set()
    for turn in range(100):
        for machine in "abcdefgh":
            worker = f"{machine}{turn}"
            if machine in resting:
                continue
            if not trials.next_config(worker):
                break
            if machine == "a":
                assert trials.on_result(worker, fault(A), None)
                resting.add("a")
            else:
                for epoch in range(1, 5):
                    trials.on_result(worker, *saved(tmp_path, worker, machine, epoch))
    assert trials.stopped is None
    assert "FAIL" not in states_of(study)
    assert len(states_of(study)) == 12
    assert capsys.readouterr().err.count("host a can't save a checkpoint") == 1


def test_a_fault_that_may_be_either_ones_counts_against_both(tmp_path: Path) -> None:
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study, trials=1)
    for attempt in "cde":
        assert trials.next_config(attempt)
        trials.on_result(attempt, fault(MachineFault("a/0", "GPU 0 of host a", "failed (ECC)"), charged=True), None)
    assert study.trial(0).user_attrs["error"] == "it met a fault 3 times: GPU 0 of host a failed (ECC)"
    assert trials.faults.avoided == ["a/0"]


def test_the_death_of_a_machine_is_not_charged(tmp_path: Path) -> None:
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study, trials=1)
    for attempt in "cdefgh":
        assert trials.next_config(attempt)
        trials.on_death(attempt, "its node has died", of_machine=True)
    assert states_of(study) == ["WAITING"]
    assert "retries" not in study.trial(0).user_attrs


def test_a_worker_rests_no_longer_than_the_stage(tmp_path: Path) -> None:
    trials = new_trials(tmp_path, opened(tmp_path))
    assert trials.next_config("c")
    assert trials.on_result("c", fault(A), None)
    trials.stop("interrupted")
    assert not trials.on_result("c", {**fault(A), "machine": ""}, None)


def test_one_incident_of_a_machine_with_many_places_is_one_fault(faults: MachineFaults, clock: Clock) -> None:
    """Eight workers of it fault within seconds, while another machine saves."""
    for _ in range(8):
        faults.note(A)
        clock.now += 0.5
        faults.note_checkpoint(1, ["b"])
    assert faults.left_out == []
    clock.now = REST
    assert not faults.is_avoided("a")


def test_a_state_that_can_not_be_saved_anywhere_is_charged_to_its_trial(tmp_path: Path) -> None:
    """Other trials save at the places where this one can't: it fails, and no machine is left out for it."""
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study, trials=2)
    for turn, machine in enumerate((A, B, A, B, A)):
        if study.trial(0).state.name == "FAIL" if study.trials() else False:
            break
        worker = f"bad{turn}"
        config = trials.next_config(worker)
        assert config
        assert config["number"] == 0
        trials.on_result(worker, fault(machine), None)
        trials.faults.note_checkpoint(1, [machine.place])  # of another trial, a moment later
    assert study.trial(0).user_attrs["error"] == "it met a fault 3 times: host b can't save a checkpoint (stale)"
    assert trials.faults.left_out == []


def test_workers_that_rest_take_cpus_of_their_machine(faults: MachineFaults) -> None:
    of_gpu = MachineFault("a/0", "GPU 0 of host a", "can't be used")
    faults.leave_out(of_gpu)
    assert faults.rests("w1", "a/0")
    assert faults.rests("w2", "a/0")
    faults.note(B)
    assert faults.rests("w3", "b")
    assert (faults.held(left_out=True), faults.held(left_out=False)) == ({"a": 2}, {"b": 1})
    faults.forget("w1")
    assert faults.held(left_out=True) == {"a": 1}
