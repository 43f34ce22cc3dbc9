"""Ctrl-C, SIGTERM or SIGHUP at random moments of a search's first six seconds: it ends within 15, with all of its Ray.

CHAOS_SIGNALS is their number.
"""

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import descendants, environment, kill, tiny, title, until

pytestmark = pytest.mark.chaos
KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOMENTS, LIMIT = 6.0, 15.0  # seconds
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@pytest.fixture
def reaper() -> Iterator[None]:
    """Have orphans become children of this process, where they are found."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


def of_the_terminal() -> None:
    """Let SIGHUP and SIGINT have their effect, though the tests may be under nohup or in the background."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def reap() -> None:
    """Let go of orphans that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@pytest.mark.usefixtures("reaper")
def test_no_signal_hangs_a_search_that_starts(tiny_root: Path, tmp_path: Path, note: Callable[[str], None]) -> None:
    signals = int(os.environ.get("CHAOS_SIGNALS", "3"))
    dice, seconds, codes = random.Random(signals), list[float](), Counter[int]()
    (tmp_path / "long.toml").write_text(tiny(trials=1, epochs=4000))
    others = {*descendants(os.getpid())}
    for index in range(signals):
        number, moment = KINDS[index % len(KINDS)], dice.uniform(0, MOMENTS)
        listens, took, code, said = _struck(tmp_path, ["--name", f"{index}", "--data", str(tiny_root)], number, moment)
        told = f"{number.name} after {moment:.2f} s, exit code {code} after {took:.1f} s: {said}"
        assert took < LIMIT, told
        # Before Python has come as far as our code, a signal does what it does to any program.
        assert code == 130 or (code == -number and not listens), told
        assert code != 130 or "Traceback" not in said, told
        until(lambda: not [pid for pid in descendants(os.getpid()) if pid not in others], LIMIT - took)
        reap()
        seconds.append(took)
        codes[code] += 1
    note(
        f"signals in the first {MOMENTS:.0f} s: {signals}, to the end at most {max(seconds):.1f} s, "
        f"no process left; exit codes {dict(codes)}"
    )


def _struck(here: Path, words: list[str], number: signal.Signals, moment: float) -> tuple[bool, float, int, str]:
    """Send a signal to a search `moment` seconds after its start.

    Returns:
        Whether it had begun to listen for it, the seconds to its end, its exit code, and what it printed.
    """
    with (here / "log").open("w+") as log:
        line = [sys.executable, "-m", "search", "long.toml", *words]
        process = subprocess.Popen(
            line, cwd=here, env=environment(), stdout=log, stderr=log, text=True, preexec_fn=of_the_terminal
        )
        time.sleep(moment)
        listens = _blocks(process.pid, number)
        process.send_signal(number)
        began = time.monotonic()
        try:
            code = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            family = [process.pid, *descendants(process.pid)]
            left = [title(pid) for pid in family]
            kill(family)
            pytest.fail(f"{number.name} after {moment:.2f} s hung; {left}; {(here / 'log').read_text()}")
        return listens, time.monotonic() - began, code, (here / "log").read_text()


def _blocks(pid: int, number: signal.Signals) -> bool:
    """Return whether the main thread of a process blocks a signal, for which another one waits."""
    status = Path(f"/proc/{pid}/status").read_text()
    [mask] = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")]
    return bool(int(mask, 16) >> (number - 1) & 1)
