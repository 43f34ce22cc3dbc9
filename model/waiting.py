"""How far a long classification is, on a line at the terminal that is wiped at its end."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

FEWEST = 200  # pictures, about a second; fewer are not worth a line


@contextmanager
def counted(total: int) -> Iterator[Callable[[], None] | None]:
    """Give the body what it calls after each of `total` pictures; None where nobody waits or watches."""
    if total < FEWEST or not sys.stderr or not sys.stderr.isatty():
        yield None
        return
    done, step = 0, max(1, total // 100)

    def show(line: str) -> None:
        with suppress(OSError):  # the terminal is gone
            print(f"\r{line}", end="", file=sys.stderr, flush=True)

    def one_more() -> None:
        nonlocal done
        done += 1
        if done % step == 0:
            show(f"{done:,} of {total:,} pictures")

    try:
        yield one_more
    finally:
        show(" " * len(f"{total:,} of {total:,} pictures") + "\r")
