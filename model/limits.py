"""Limits of time and memory for reading one file, so that a harmful one ends in an error and not in a stalled machine.

A few kilobytes can ask for hours or for all memory: a picture of 60,000 x 60,000, a JPEG of a thousand passes, a ZIP
of zeros. Sizes and kinds are checked first; these limits catch all the rest. They are limits of the whole process, so
threads that read files take turns, and each leaves everything as it was. While one reads, all are refused more memory.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 4.0  # of the reading thread's CPU time, so that a busy machine refuses nothing; a large photograph takes 1
MEMORY = 2**30  # bytes beyond what the process holds already; a large photograph takes half of it
TURN = threading.RLock()  # held by the thread whose limits are the process's
os.register_at_fork(before=TURN.acquire, after_in_parent=TURN.release, after_in_child=TURN.release)


class LimitError(Exception):
    """Raised where reading took too much; the text says whether time or memory, and how much."""


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise LimitError where the body takes more CPU seconds or more bytes of memory.

    Time is limited in the main thread only, memory on Linux only. Bodies in several threads run one after the other.
    """
    try:
        with TURN, _memory(memory), _cpu_time(seconds):
            yield
    except MemoryError as error:
        raise LimitError(f"takes more than {memory // 2**20:,} MiB of memory to read") from error


@contextmanager
def _cpu_time(seconds: float) -> Iterator[None]:
    """Raise LimitError in the body after so many seconds of this thread's CPU time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    began, over = time.thread_time(), False

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        left = began + seconds - time.thread_time()
        if left > 0:  # the timer counts the time of other threads too
            signal.setitimer(signal.ITIMER_PROF, left)
        elif not over:
            raise LimitError(f"takes more than {seconds:g} s to read")

    before = signal.signal(signal.SIGPROF, interrupt)
    timer = signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        over = True
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
