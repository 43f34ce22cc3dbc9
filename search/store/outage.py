"""A shared database or an object store that does not answer: for how long, and how often, a call is repeated."""

import time
from collections.abc import Callable
from typing import TypeVar

from model.errors import causes
from search.store.database_errors import is_outage, reason
from search.store.object_store import StoreError

LIMIT = 600.0  # seconds; then the search stops, to be resumed
LONGEST_PAUSE = 30.0  # seconds between two attempts
POLL = 0.1  # seconds
Result = TypeVar("Result")


def outlasting(action: Callable[[], Result], given_up: Callable[[], bool], warn: Callable[[str], None]) -> Result:
    """Return the result of `action`, which is repeated as long as its database or object store does not answer.

    The first repetition follows at once, as a lost connection is often all there is; the next after 1, 2, 4, ... and
    at most 30 s. Raises the error of the last attempt after `LIMIT` seconds, or as soon as `given_up` returns true.

    Args:
        action: What is to be done. It must not matter if an attempt that seemed to fail has taken effect.
        given_up: Whether nobody wants to wait any longer.
        warn: Is called with a sentence when the waiting begins, and when it was of use.
    """
    pause, deadline = 0.0, None
    while True:
        try:
            result = action()
        except Exception as error:
            now = time.monotonic()
            deadline = now + LIMIT if deadline is None else deadline
            silent = _silent(error)
            if silent is None or now >= deadline:
                raise
            if pause == 1:
                warn(f"{silent}; trying again for up to {LIMIT:g} s")
            _wait(min(pause, deadline - now), given_up)
            if given_up():
                raise
            pause = min(2 * pause, LONGEST_PAUSE) or 1.0
        else:
            if pause > 1:
                warn("it answers again")
            return result


def _silent(error: BaseException) -> str | None:
    """Return what does not answer, and how that was noticed, if `error` says so; None otherwise."""
    if is_outage(error):
        return f"the study's database does not answer ({reason(error)})"
    if any(isinstance(cause, StoreError) for cause in causes(error)):
        return f"the object store does not answer ({error})"
    return None


def _wait(seconds: float, given_up: Callable[[], bool]) -> None:
    """Wait, at most until `given_up` returns true.

    It is asked again and again: a signal's handler can set a flag, but an Event may be locked by the thread that it
    has interrupted.
    """
    end = time.monotonic() + seconds
    while not given_up() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, POLL))
