"""Trials that go wrong in many ways: each fails with its reason, and the others' results are as without it."""

import dataclasses
import gc
import html
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.report import write_report
from search.store.records import read_trials
from tests.harness import descendants, title, until
from tests.searches import Go, experiment, numbers, poison

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("two_cpus")]
ALONE = {"top": 0}


def _more_than_allowed() -> None:
    """Ask torch for more memory than a limit on this process allows; the host's memory is never in danger."""
    import torch

    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, before[1]))
    try:
        torch.zeros(2**34, dtype=torch.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_every_poison_ends_as_a_failure_with_its_reason(
    go: Go, go_without: Go, monkeypatch: pytest.MonkeyPatch, note: Callable[[str], None]
) -> None:
    wanted = experiment(search={"trials": 9}, confirm=ALONE, resources={"trial_timeout": 9})
    healthy = numbers(go_without(wanted, "healthy").run_dir)

    def act(number: int, metrics: Any, _saved: list[str]) -> Any:
        match number:
            case 1:
                raise ValueError("the first line\nand more")
            case 2:
                return dataclasses.replace(metrics, train_loss=float("nan"))
            case 3:
                return dataclasses.replace(metrics, val_accuracy=float("inf"))
            case 4:
                _more_than_allowed()
            case 5:
                time.sleep(600)
            case 6:
                os._exit(1)
            case 7:
                os.kill(os.getpid(), signal.SIGSEGV)
        return None

    poison(monkeypatch, act)
    run_dir = go(wanted, "poisoned").run_dir
    records = read_trials(run_dir)
    assert [record.state for record in records] == ["complete", *["failed"] * 7, "complete"]
    reasons = [
        "ValueError: the first line and more",
        "non-finite train_loss in epoch 1",
        "non-finite val_accuracy in epoch 1",
        "can't allocate memory",
        "ran longer than resources.trial_timeout = 9 s",
        "its worker died 3 times",
        "its worker died 3 times",
    ]
    for record, reason in zip(records[1:8], reasons, strict=True):
        assert reason in record.attributes["error"]
    poisoned = numbers(run_dir)
    assert [poisoned[0], poisoned[8]] == [healthy[0], healthy[8]]
    page = html.unescape(write_report([run_dir]).read_text())
    assert all(reason in page for reason in reasons)
    until(lambda: not [pid for pid in descendants(os.getpid()) if "ImplicitFunc" in title(pid)], 60)
    note("poisoned trials: raise, NaN, inf, memory limit, endless loop, os._exit, SIGSEGV: 7 of 7 failed with a reason")


def test_failures_in_a_row_stop_the_search(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(number: int, _metrics: Any, _saved: list[str]) -> None:
        if number in (0, 1, 3, 4, 5):
            raise ValueError(f"broken {number}")

    poison(monkeypatch, act)
    limits = {"max_consecutive_failures": 3}
    outcome = go(experiment(search={"trials": 500}, confirm=ALONE, resources=limits))
    assert outcome.stopped is not None
    assert outcome.stopped.startswith("3 trials in a row failed, the last with: ValueError: broken 5;")
    states = [record.state for record in read_trials(outcome.run_dir)]
    assert states[:6] == ["failed", "failed", "complete", "failed", "failed", "failed"]
    assert set(states[6:]) <= {"waiting", "interrupted"}


def test_a_worker_that_does_not_come_free_is_replaced(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker's clean-up take too long; Ray alone would give up the next trial without a word."""

    def act(number: int, _metrics: Any, _saved: list[str]) -> None:
        from search.on_ray import ray_internals

        if number == 0:
            ray_internals.CLEAN_UP = 1
            gc.collect = lambda *_: time.sleep(600) or 0  # type: ignore[assignment]

    poison(monkeypatch, act)
    outcome = go(experiment(search={"trials": 3}, confirm=ALONE))
    records = read_trials(outcome.run_dir)
    assert [record.state for record in records] == ["complete"] * 3
    assert records[1].attributes["retries"] == 1


def test_a_dead_worker_is_replaced_and_the_trial_goes_on(
    go: Go, go_without: Go, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = {
        "search": {"trials": 3, "pruner": "halving", "reduction_factor": 100},
        "hyperparameters": {"epochs": 3},
        "confirm": ALONE,
    }
    healthy = numbers(go_without(experiment(**settings), "healthy").run_dir)
    mark = tmp_path / "died"

    def act(number: int, _metrics: Any, _saved: list[str]) -> None:
        if number == 0 and not mark.exists():
            mark.write_text("")
            os._exit(1)

    poison(monkeypatch, act)
    run_dir = go(experiment(**settings), "poisoned").run_dir
    assert numbers(run_dir) == healthy
    assert read_trials(run_dir)[0].attributes["retries"] == 1
