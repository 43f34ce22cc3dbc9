"""The lock of a run folder, with real processes: held, refused with the holder's name, and freed by the kernel."""

import errno
import fcntl
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.store.lock import is_live, run_lock

HOLD = """
import sys, time
from pathlib import Path
from search.store.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_driver_is_refused_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert is_live(tmp_path)
        named = rf"another search is running here \(process {holder.pid} on {platform.node()}\)"
        with pytest.raises(ConfigError, match=named), run_lock(tmp_path):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert str(holder.pid) in (tmp_path / "lock").read_text()  # the name that is left means nothing
    assert not is_live(tmp_path)
    with run_lock(tmp_path):
        assert is_live(tmp_path)
        assert (tmp_path / "lock").read_text() == f"process {os.getpid()} on {platform.node()}\n"
    assert not is_live(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    named = r"its file system has no locks \(.*\), so .* choose an --out"
    with pytest.raises(ConfigError, match=named), run_lock(tmp_path):
        pass
    monkeypatch.undo()
    with run_lock(tmp_path):  # what the attempt left blocks nobody
        assert is_live(tmp_path)


def test_an_error_of_the_search_is_not_taken_for_one_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No locks available"), run_lock(tmp_path):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
