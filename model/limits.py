"""Limits of time and memory for reading one file, so that a harmful one ends in an error and not in a stalled machine.

A few kilobytes can ask for hours or for all memory: a picture of 60,000 x 60,000, a JPEG of a thousand passes, a ZIP
of zeros. Sizes and kinds are checked first; these limits catch all the rest. They are limits of the whole process, so
threads that read files take turns, and each leaves everything as it was.
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
_TURN = threading.RLock()


class LimitError(Exception):
    """Raised where reading took too much; the text says whether time or memory, and how much."""


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise LimitError where the body takes more CPU seconds or more bytes of memory.

    Time is limited in the main thread only, memory on Linux only. Bodies in several threads run one after the other.
    """
    try:
        with _TURN, _cpu_time(seconds), _memory(memory):
            yield
    except MemoryError as error:
        raise LimitError(f"takes more than {memory // 2**20:,} MiB of memory to read") from error


@contextmanager
def _cpu_time(seconds: float) -> Iterator[None]:
    """Raise LimitError in the body after so many seconds of this process's CPU time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise LimitError(f"takes more than {seconds:g} s to read")

    before = signal.signal(signal.SIGPROF, interrupt)
    timer = signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before or signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, *timer)  # a profiler's, say


@contextmanager
def _memory(most: int) -> Iterator[None]:
    """Let the kernel refuse more than `most` bytes of new memory, so that the libraries' C code has to give up too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _held() + most
    allowed = min(limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held() -> int:
    """Return the bytes of data that this process has mapped."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    except OSError:
        return 2**62  # not Linux: in effect no limit
    return pages * os.sysconf("SC_PAGE_SIZE")
