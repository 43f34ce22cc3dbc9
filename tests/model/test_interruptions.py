"""Signals: no handler raises in foreign code; where the main thread does not end by itself, the process is ended."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model import interruptions
from model.interruptions import check, farewell, interruptible, listening, result_of
from tests.harness import ROOT, environment

# A library that is told to end between the acquisition of its lock and the `try` that would release it.
FOREIGN = """
import contextlib, os, signal, sys, threading
import search.on_ray.door, search.run
from search.cli import app
lock = threading.Lock()
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be under nohup

def searched(*_, **__):
    lock.acquire()
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    try:
        for _ in range(100_000):  # moments at which a handler may run
            pass
    finally:
        lock.release()
    from model.interruptions import check
    while True:
        check()

search.run.run_search = searched
search.on_ray.door.ray_begun = lambda *_: contextlib.nullcontext()
try:
    app(["run", "quick.toml"])
except BaseException as error:
    print("lock held:", lock.locked())
    raise
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_within_a_library_leaks_none_of_its_locks(tmp_path: Path, name: str) -> None:
    (tmp_path / "quick.toml").write_bytes((ROOT / "configs" / "quick.toml").read_bytes())
    line = [sys.executable, "-c", FOREIGN, name]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.splitlines()) == (130, ["stopped at once"])
    go_on, held = done.stdout.splitlines()[-2:]
    assert go_on.startswith("interrupted; go on with: ")
    assert held == "lock held: False"


def test_a_first_signal_in_a_stage_ends_it_tidily_and_a_second_at_once() -> None:
    asked: list[str] = []
    with listening(), interruptible(lambda: asked.append("stop")):
        os.kill(os.getpid(), signal.SIGTERM)
        interruptions._catch_up()
        assert asked == ["stop"]
        check()  # the stage ends tidily
        os.kill(os.getpid(), signal.SIGTERM)
        interruptions._catch_up()
        with pytest.raises(KeyboardInterrupt):
            check()
        check()  # raised once, so that what cleans up may look too
    assert asked == ["stop"]


def test_whoever_waits_for_a_result_is_told() -> None:
    never: Future[None] = Future()
    with pytest.raises(TimeoutError):
        result_of(never, 0.0)
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            result_of(never, 60.0)


def test_a_signal_outside_a_stage_is_not_lost_on_the_way_into_one() -> None:
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
        interruptions._catch_up()
        with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):
            pytest.fail("the stage began")


def test_handlers_and_mask_are_as_before_afterwards() -> None:
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    before = [signal.getsignal(number) for number in interruptions.ENDING]
    with listening():
        assert [signal.getsignal(number) for number in interruptions.ENDING] != before
    assert [signal.getsignal(number) for number in interruptions.ENDING] == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == masked


# A main thread that waits for ever, in a library, and a farewell that does too.
STUCK = """
import os, signal, sys, threading
from model import interruptions
interruptions.LIMIT = interruptions.FAREWELL = 0.1
lock = threading.Lock()
lock.acquire()
farewells = [interruptions.farewell(act) for act in (lock.acquire, lambda: print("bye", flush=True))]
with interruptions.listening(), farewells[0], farewells[1]:
    for _ in range(int(sys.argv[1])):
        os.kill(os.getpid(), signal.SIGTERM)
    lock.acquire()
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_a_main_thread_that_never_gets_there_is_not_waited_for(signals: int) -> None:
    line = [sys.executable, "-c", STUCK, str(signals)]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "bye\n", "")


def test_a_farewell_is_for_its_body_alone() -> None:
    with farewell(os.getpid):
        assert interruptions._ours.farewells == [os.getpid]
    assert interruptions._ours.farewells == []


def test_a_siginfo_that_nothing_was_put_into_is_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython returns one where a signal that nobody waits for comes as the time is up."""
    asked = threading.Semaphore(0)

    def sigtimedwait(*_: Any) -> SimpleNamespace:
        asked.release()
        return SimpleNamespace(si_signo=-2013486544)

    monkeypatch.setattr(signal, "sigtimedwait", sigtimedwait)
    with listening():
        for _ in range(5):
            assert asked.acquire(timeout=60)
        assert not interruptions.ends_at_once()
        monkeypatch.undo()
    check()
