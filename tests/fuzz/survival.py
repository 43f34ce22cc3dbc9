"""Assertions for bad input: a result in time, or one clear line and exit code 1 or 2."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.errors import LONGEST

PLAN = r"(\d+ trials?, \d+ hyperparameters? searched\n)?"  # what a search says before it opens anything
SECONDS = 5.0  # of work for one input


class Hang(BaseException):
    """Raised in code that works too long; no Exception, so that no `except Exception` catches it."""


@contextmanager
def survived(error_type: type[Exception], name: str, path: Path) -> Iterator[None]:
    """Assert that the body ends in time, well or with a clear `error_type`; a failure names the input and its file."""
    try:
        with within_time():
            yield
    except error_type as error:
        assert_clear(str(error), name, path)
    except (Exception, Hang) as error:
        raise AssertionError(f"{name}: {type(error).__name__}: {error}; the input is kept in {path}") from error


def assert_clear(message: str | None, name: str, path: Path | str = "") -> None:
    """Assert that `message` is one printable line that names a place and a fault."""
    kept = f"{name}: {message!r}; the input is kept in {path}"
    assert message, kept
    assert message.isprintable(), kept
    assert len(message) <= LONGEST, kept
    assert ": " in message, kept


def assert_refused(result: Any, code: int, name: str) -> None:
    """Assert that a command ended with this exit code and one clear line on stderr, nothing else."""
    assert isinstance(result.exception, SystemExit), f"{name}: {result.exception!r}"
    assert result.exit_code == code, f"{name}: {result.output}"
    assert re.fullmatch(PLAN, result.stdout), f"{name}: {result.output}"
    assert result.stderr.endswith("\n"), f"{name}: {result.stderr}"
    assert_clear(result.stderr[:-1], name)


@contextmanager
def within_time() -> Iterator[None]:
    """Raise Hang after SECONDS of work, or many more of waiting: other tests may keep the machine busy."""

    def interrupt(*_: object) -> None:
        raise Hang("still at work")

    timers = ((signal.ITIMER_VIRTUAL, signal.SIGVTALRM, SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, 6 * SECONDS))
    for timer, number, seconds in timers:
        signal.signal(number, interrupt)
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, number, _ in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, signal.SIG_DFL)
