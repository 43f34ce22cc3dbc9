"""Terminals that go: an ssh connection that drops ends a search tidily, as Ctrl-C does; under nohup it goes on."""

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from search.stages.running import _interruptible


@pytest.fixture
def hang_up() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize(("nohup", "stopped"), [(False, ["interrupted"]), (True, [])])
def test_a_terminal_that_hangs_up(nohup: bool, stopped: list[str]) -> None:
    asked: list[str] = []
    trials: Any = SimpleNamespace(stop=asked.append, progress=SimpleNamespace(warn=lambda _: None))
    signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    before = signal.getsignal(signal.SIGHUP)
    with _interruptible(trials):
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)  # from the shell, then from the kernel
    assert asked == stopped
    assert signal.getsignal(signal.SIGHUP) == before
