"""The run folder's lock against real processes: held, refused with a name, freed by the kernel."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search.lock import is_live, run_lock
from search.space import ConfigError

HOLD = """
import sys, time
from pathlib import Path
from search.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_second_driver_is_refused_by_name_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
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
    assert str(holder.pid) in (tmp_path / "lock").read_text()  # a stale name is left, and means nothing
    assert not is_live(tmp_path)
    with run_lock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"process {os.getpid()} on {platform.node()}\n"
    assert not is_live(tmp_path)
