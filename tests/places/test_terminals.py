"""Terminals that go: an ssh connection that drops ends a search tidily, as Ctrl-C does; under nohup it goes on."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from model.interruptions import interruptible
from tests.analysis.studies import Writer
from tests.harness import command, environment, recorded, records, tiny, until


@pytest.fixture
def hang_up() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize(("nohup", "stopped"), [(False, ["interrupted"]), (True, [])])
def test_a_terminal_that_hangs_up(nohup: bool, stopped: list[str]) -> None:
    asked: list[str] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    before = signal.getsignal(signal.SIGHUP)
    with interruptible(lambda: asked.append("interrupted")):
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)  # from the shell, then from the kernel
    assert asked == stopped
    assert signal.getsignal(signal.SIGHUP) == before


def in_a_terminal() -> None:
    """Make stdin the terminal of this process, as of one that is not under nohup, though the tests may be."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def drained(terminal: int) -> bytes:
    """Return what was written to a terminal since the last call, so that its writer need not wait."""
    written = b""
    with suppress(BlockingIOError):
        while part := os.read(terminal, 4096):
            written += part
    return written


def test_a_search_whose_terminal_is_gone_ends_tidily(tiny_root: Path, tmp_path: Path) -> None:
    """A terminal of its own is closed, as sshd does when a connection drops; Ray's processes are told of it too."""
    (tmp_path / "long.toml").write_text(tiny(trials=1, epochs=400))
    run_dir = tmp_path / "runs" / "long"
    ours, theirs = os.openpty()
    line = [sys.executable, "-m", "search", "long.toml", "--data", str(tiny_root)]
    process = subprocess.Popen(
        line, cwd=tmp_path, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=in_a_terminal,
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    shown: list[bytes] = []
    until(lambda: shown.append(drained(ours)) or recorded(run_dir) > 2)
    until(lambda: shown.append(drained(ours)) or b"long: running, " in b"".join(shown))  # the live view
    assert b"0 of 1" in b"".join(shown)
    os.close(ours)
    assert process.wait(120) == 130
    assert "interrupted" in {record.state for record in records(run_dir)}
    assert not any("retries" in record.attributes for record in records(run_dir))
    assert (run_dir / "report" / "index.html").exists()


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_terminal_that_does_not_know_its_width_shows_the_status(columns: str, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "run", {"search": {"trials": 1, "pruner": "none"}, "confirm": {"top": 0}})
    writer.trial([0.9, 0.91])
    writer.storage.close()
    done = command(tmp_path, "status", "run", COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run: ")
    assert "91.00%" in done.stdout
