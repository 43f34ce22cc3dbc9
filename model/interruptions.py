"""What Ctrl-C, SIGTERM and the end of the terminal do: during a stage it ends tidily, at any other time at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let a first signal call `stop`, which ends the body tidily, and a second one raise KeyboardInterrupt in it."""
    asked = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        if not asked.is_set():
            asked.set()
            stop()
        elif number != signal.SIGHUP:  # a shell and the kernel may both say that the terminal is gone
            raise KeyboardInterrupt

    with _handling(on_signal):
        yield


@contextmanager
def ending_as_at_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, and the end of the terminal, raise KeyboardInterrupt in the body, as Ctrl-C does."""

    def on_signal(number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    with _handling(on_signal):
        yield


@contextmanager
def _handling(on_signal: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle the signals by which people and supervisors end a program, in the main thread alone.

    Under nohup the end of the terminal does not matter.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        ending.remove(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
