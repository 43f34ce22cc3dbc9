"""What Ctrl-C, SIGTERM and the end of the terminal do: during a stage it ends tidily, at any other time at once.

A handler runs between any two instructions of the main thread, within libraries too. One that raises there may leave a
lock held for good, such as that of `logging`, and the next thread that logs waits for ever. And Ray puts a handler of
its own in the place of ours, which aborts at SIGTERM. So the signals are blocked, and a thread waits for them, which
decides what follows. The main thread raises KeyboardInterrupt in `check` alone, which is called where it is safe.
Should it get there too late, the thread ends the process.
"""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

INTERRUPTED = 130  # the exit code, as of a shell
LIMIT = 8.0  # seconds that the main thread has to end by itself after a signal that asks for an immediate end
FAREWELL = 2.0  # seconds for each act before a process is ended from outside its main thread
PERIOD = 0.1  # seconds between two looks of a main thread that waits
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Result = TypeVar("Result")


class _Interruptions:
    """The signals of this process. The main thread and the one that attends to signals share it."""

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.listening = False
        self.notes: queue.SimpleQueue[int] = queue.SimpleQueue()  # signals that reached a thread of somebody else's
        self.behind = threading.Event()  # set while the main thread waits until all signals are acted on
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
    if _ours.listening or threading.current_thread() is not threading.main_thread():
        yield
        return
    _ours.reset()
    taken = [number for number in ENDING if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)]
    over = threading.Event()
    attendant = threading.Thread(target=_attend, args=(taken, over), daemon=True)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, taken)  # threads that are started from here on have it too
    before = {number: signal.signal(number, _note) for number in taken}
    attendant.start()
    _ours.listening = True
    try:
        yield
    finally:
        _ours.listening = False
        over.set()
        attendant.join(FAREWELL)  # it acts on what has come before
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let a first signal call `stop`, in another thread, which ends the body tidily, and a second one end it at once.

    Raises KeyboardInterrupt if an immediate end was asked for before.
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
    """Return the result of `future`. Raises its error, TimeoutError after `seconds`, and what `check` raises."""
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
    until = time.monotonic() + FAREWELL
    if _ours.listening:
        _ours.behind.set()
        while _ours.behind.is_set() and time.monotonic() < until:
            time.sleep(PERIOD / 10)


def _note(number: int, _frame: Any) -> None:
    """Handle a signal that reached a thread from before, which does not block it."""
    _ours.notes.put(number)  # which may be interrupted by itself


def _attend(taken: list[signal.Signals], over: threading.Event) -> None:
    """Act on signals as they come, until it is over."""
    until: float | None = None
    while True:
        behind, last = _ours.behind.is_set(), over.is_set()
        numbers = []
        received = signal.sigtimedwait(taken, 0 if last or behind else PERIOD)
        # Where another signal interrupts it as its time is up, CPython returns a siginfo that nothing was put into.
        if received and received.si_signo in taken:
            numbers.append(received.si_signo)
        while not _ours.notes.empty():
            numbers.append(_ours.notes.get())
        for number in numbers:
            if _ours.take(number):
                until = time.monotonic() + LIMIT
        if until is not None and time.monotonic() > until:
            leave(INTERRUPTED)
        if not numbers and behind:
            _ours.behind.clear()
        if not numbers and last:
            return
