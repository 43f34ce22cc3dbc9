"""What reading one file may cost: damaged or made to do harm, it ends in an error, not in a machine at a standstill.

A few kilobytes can ask for hours or for all memory: a picture of 60,000 x 60,000, a JPEG of a thousand passes, a
TOML key of ten thousand parts, a ZIP of zeros. Sizes and kinds are checked first; these limits are for all the rest.
"""

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 4.0  # of this process's CPU time, so that a busy machine refuses nothing; a large photograph takes 1
MEMORY = 2**30  # bytes beyond what the process holds already; a large photograph takes half of it


class LimitError(Exception):
    """Reading took too much; the text says what and how much."""


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise LimitError where the body takes more. Time is limited in the main thread only, memory on Linux only."""
    try:
        with _cpu_time(seconds), _memory(memory):
            yield
    except MemoryError as error:
        raise LimitError(f"takes more than {memory // 2**20:,} MiB of memory to read") from error


@contextmanager
def _cpu_time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise LimitError(f"takes more than {seconds:g} s to read")

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before or signal.SIG_DFL)


@contextmanager
def _memory(most: int) -> Iterator[None]:
    """Beyond it the kernel refuses, so that the libraries' own C code has to give up too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _held() + most
    allowed = min(limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held() -> int:
    """Bytes of data that this process has mapped."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    except OSError:
        return 2**62  # not Linux: in effect no limit
    return pages * os.sysconf("SC_PAGE_SIZE")
