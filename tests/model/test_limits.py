"""Limits of time and memory hold and are lifted afterwards; messages stay one line."""

import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from model.errors import LONGEST, InputError, shown
from model.files import check_file, read_file
from model.limits import LimitError, bounded


def spin() -> None:
    while True:
        pass


def test_time_and_memory_are_limited_and_given_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGPROF)
    with pytest.raises(LimitError, match="takes more than 0.1 s to read"), bounded(seconds=0.1):
        spin()
    with pytest.raises(LimitError, match="takes more than 64 MiB of memory to read"), bounded(memory=2**26):
        bytearray(2**30)  # more than the C library may have kept of what was freed (search/on_ray/environment.py)
    with bounded():
        assert len(bytearray(2**27)) == 2**27
    assert (resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGPROF)) == before
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0


def test_other_threads_may_read_too() -> None:
    seen = []

    def work() -> None:
        with bounded(seconds=0.01):
            seen.append(sum(range(10**6)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen


def test_the_time_of_other_threads_does_not_count() -> None:
    done = threading.Event()

    def work() -> None:
        while time.thread_time() < 1:
            sum(range(1000))
        done.set()

    thread = threading.Thread(target=work)
    with bounded(seconds=0.3):
        thread.start()
        done.wait()
    thread.join()
    with pytest.raises(LimitError, match="takes more than 0.3 s"), bounded(seconds=0.3):
        spin()


def test_only_regular_files_of_a_fitting_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    for other, most, why in (
        (path, 4, "has 5 bytes, more than 4"),
        (tmp_path, 9, "is a folder"),
        (tmp_path / "pipe", 9, "is not a regular file"),
        (tmp_path / "none", 9, "No such file"),
    ):
        with pytest.raises(OSError, match=".*") as caught:
            check_file(other, most)
        assert why in str(caught.value.strerror)


def test_messages_are_one_short_line() -> None:
    assert str(InputError("größe\n\x1b[2J\udcff: bad")) == "größe\\n\\x1b[2J\\udcff: bad"
    long = str(InputError("place: " + "\n" * 5000 + "; remedy"))
    assert len(long) <= LONGEST
    assert long.startswith("place: ")
    assert long.endswith("; remedy")


def test_values_are_shown_in_short() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert shown(["a\n", 1]) == r"['a\n', 1]"
    assert shown("x" * 10**6) == "'" + "x" * 99 + "..."
    assert shown(nested) == shown(10**5000) == "(a value too large to show)"
