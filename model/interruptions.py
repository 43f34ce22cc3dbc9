"""What Ctrl-C, SIGTERM and the end of the terminal do: during a stage it ends tidily, at any other time at once.

A handler runs between any two instructions of the main thread, within libraries too. One that raises there may leave a
lock held for good, such as that of `logging`, and the next thread that logs waits for ever. So the handlers here do
nothing. The signal's number wakes a thread, which decides what follows, and the main thread raises KeyboardInterrupt in
`check` alone, which is called where it is safe. Should it get there too late, the thread ends the process.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

INTERRUPTED = 130  # the exit code, as of a shell
LIMIT = 8.0  # seconds that the main thread has to end by itself where it shall end at once
FAREWELL = 2.0  # seconds for each act before a process is ended from outside its main thread
PERIOD = 0.1  # seconds between two looks of a main thread that waits
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Result = TypeVar("Result")


class _Interruptions:
    """The signals of this process. The main thread and the one that attends to signals share it."""

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.pipe: int | None = None  # its end for writing, while signals are taken
        self.caught_up = threading.Event()
        self.stop: Callable[[], None] | None = None  # ends the stage in hand tidily
        self.farewells: list[Callable[[], None]] = []
        self.leaving = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.asked = False
        self.at_once = False
        self.raised = False

    def take(self, number: int) -> bool:
        """Act on one signal. Return whether the process must end soon."""
        with self.changing:
            again, self.asked = self.asked, True
            if again and number == signal.SIGHUP:  # a shell and the kernel may both say that the terminal is gone
                return False
            if not again and self.stop:
                _within_limit(self.stop)
                return False
            if self.at_once:
                leave(INTERRUPTED)
            self.at_once = True
        return True


_ours = _Interruptions()


@contextmanager
def listening() -> Iterator[None]:
    """Take the signals by which people and supervisors end a program, in the main thread alone, during the body.

    Under nohup the end of the terminal does not matter.
    """
    if _ours.pipe is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _ours.reset()
    taken = [number for number in ENDING if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    attendant = threading.Thread(target=_attend, args=(reading,), daemon=True)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _do_nothing) for number in taken}
    attendant.start()
    _ours.pipe = writing
    try:
        yield
    finally:
        _ours.pipe = None
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(writing)
        attendant.join(FAREWELL)  # it acts on what has come before


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let a first signal call `stop`, in another thread, which ends the body tidily, and a second one end it at once.

    Raises KeyboardInterrupt where it shall end at once already.
    """
    with listening():
        check()
        with _ours.changing:
            _ours.stop = stop
        try:
            yield
        finally:
            _catch_up()  # a signal that came within the body is one of the body
            with _ours.changing:
                _ours.stop = None


@contextmanager
def farewell(act: Callable[[], None]) -> Iterator[None]:
    """Have `act` called, in another thread and for a short while, where the process is ended within the body."""
    _ours.farewells.append(act)
    try:
        yield
    finally:
        _ours.farewells.remove(act)


def ends_at_once() -> bool:
    """Return whether a signal has asked for an end without delay."""
    return _ours.at_once


def check() -> None:
    """Raise KeyboardInterrupt if a signal has asked for an end without delay. It is raised once, for the main thread.

    What cleans up behind it may call this too.
    """
    if _ours.at_once and not _ours.raised and threading.current_thread() is threading.main_thread():
        _ours.raised = True
        raise KeyboardInterrupt


def result_of(future: "Future[Result]", seconds: float) -> Result:
    """Return the result of `future`. Raises its error, TimeoutError after so many seconds, and what `check` raises."""
    until = time.monotonic() + seconds
    while not wait([future], PERIOD).done:
        check()
        if time.monotonic() > until:
            raise TimeoutError
    return future.result()


def leave(code: int) -> NoReturn:
    """End this process, after what `farewell` was given. Nothing else of it is run."""
    with _ours.leaving:
        for act in list(_ours.farewells):
            _within_limit(act)
        os._exit(code)


def _within_limit(act: Callable[[], None]) -> None:
    """Call `act` in a thread of its own, as it may wait for what the main thread holds, and wait a little for it."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(FAREWELL)


def _catch_up() -> None:
    """Wait until all signals that have come are acted on."""
    if _ours.pipe is not None:
        _ours.caught_up.clear()
        os.write(_ours.pipe, b"\0")
        _ours.caught_up.wait(FAREWELL)


def _do_nothing(number: int, _frame: Any) -> None:
    """Handle a signal: Python notes it for the attending thread if it has a handler."""


def _attend(reading: int) -> None:
    """Act on the signals whose numbers can be read from the pipe, until it is closed."""
    until: float | None = None
    notes = select.poll()
    notes.register(reading, select.POLLIN)
    while True:
        left = None if until is None else max(0.0, until - time.monotonic()) * 1000
        if not notes.poll(left):
            leave(INTERRUPTED)
        if not (numbers := os.read(reading, 64)):
            os.close(reading)
            return
        for number in numbers:
            if number == 0:
                _ours.caught_up.set()
            elif number in ENDING and _ours.take(number):
                until = time.monotonic() + LIMIT
