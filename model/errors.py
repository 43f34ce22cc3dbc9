"""Errors that a person can correct, each a message of one line: where, what is wrong and the remedy."""

import errno
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

LONGEST = 2000  # characters; names and values in a message may be of any length
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
# SQLite without room for its index of the log, of 32 KiB, says only "disk I/O error".
FULL_SQLITE = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}
ENDED_BY_PIPE = 141  # 128 and SIGPIPE, as a shell says it
FULL_WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded")


class InputError(Exception):
    """Raised for input that a person can correct; the text is one line, whatever the names and values in it hold."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


class ConfigError(InputError):
    """Raised for what a person must change before a search can run; the line has key, value, rule and remedy."""


class RayGoneError(Exception):
    """Raised where Ray itself died in mid-search; the text says which part. No trial is lost."""


@contextmanager
def one_line_errors(tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Turn errors that a person can correct into one line on stderr and exit code 2, and Ctrl-C into 130.

    `tell` is called with the line too, for a program that follows.

    A reader that has closed the output (`| head`) is no error: the command ends in silence, as others do.
    """
    try:
        try:
            yield
        except (InputError, OSError, KeyboardInterrupt):
            raise
        except BaseException:  # the exit that a command chose
            _flush()
            raise
        _flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except InputError as error:
        text = str(error)
    except OSError as error:
        if error.filename:
            text = of_file(error)
        elif error.errno in FULL_DISK:
            leave_stdout()  # it may be what had no room
            text = f"no room left on a disk ({error.strerror}); free some"
        elif _nobody_reads():
            leave_stdout()
            raise SystemExit(ENDED_BY_PIPE) from None
        else:
            raise
    else:
        return
    tell(one_line(text))
    complain(f"error: {one_line(text)}")
    raise SystemExit(2)


@contextmanager
def needing_extra(command: str, extra: str) -> Iterator[None]:
    """Name the package, and the extra that brings it, if the body imports one that is not there. Raises ConfigError."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ConfigError(f"{command}: needs {package}, which is not installed; pip install '.[{extra}]'") from None


def _flush() -> None:
    """Write what was printed now, where errors can be told. Raises OSError."""
    if sys.stdout:  # None where it was closed from the beginning
        sys.stdout.flush()


def _nobody_reads() -> bool:
    """Return whether standard output is a pipe or a terminal whose other end is closed."""
    watched = select.poll()
    watched.register(1, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in watched.poll(0))


def leave_stdout() -> None:
    """Let what is still to be written to standard output go nowhere, or Python would complain of it as it ends."""
    leave_output(1)


def leave_output(descriptor: int) -> None:
    """Let what is still to be written to `descriptor` go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def complain(line: str) -> None:
    """Print a line on stderr, if that is open."""
    if sys.stderr:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """Return `text` with line breaks and control characters escaped, and only both ends of a very long text."""
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 3 :]}"


def summary(error: BaseException, most: int = 200) -> str:
    """Return an exception's text on one line of at most `most` characters, or its type where it has no text."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def of_file(error: OSError) -> str:
    """Return the message for an OSError of a file or its disk; `error` must name the file."""
    remedy = "free some room" if error.errno in FULL_DISK else "see to its permissions"
    if error.errno == errno.EIO:
        remedy = "see to its disk"
    return f"{error.filename}: {error.strerror}; {remedy}"


def shown(value: Any) -> str:
    """Return `value` as a message shows it, cut after 100 characters."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested thousands of levels deep; an integer of thousands of digits
        return "(a value too large to show)"
    return text if len(text) <= 100 else f"{text[:100]}..."


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or any that led to it, says that a disk is full; libraries wrap what SQLite says."""
    return any(
        getattr(cause, "errno", None) in FULL_DISK
        or getattr(cause, "sqlite_errorname", None) in FULL_SQLITE
        or any(words in str(cause) for words in FULL_WORDS)
        for cause in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and all errors that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
