"""Notices that Ray itself is gone. Ray would end this process without a word, up to a minute later."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PERIOD, MISSES = 1.0, 3  # seconds between two looks, and how many must fail in a row
CONNECT_TIMEOUT = 5.0


@contextmanager
def watching(on_gone: Callable[[str], None]) -> Iterator[threading.Event]:
    """Yield an event; should Ray go, set it, then call `on_gone` (in a thread of its own) with what is missing.

    The caller's own thread may then hang within Ray for good: `on_gone` has to end the process.
    """
    gone, over = threading.Event(), threading.Event()

    def watch() -> None:
        misses = 0
        while not over.wait(PERIOD):
            missing = _missing()
            misses = misses + 1 if missing else 0
            if missing and misses >= MISSES:
                gone.set()
                on_gone(missing)
                return

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield gone
    finally:
        if not gone.is_set():
            over.set()
        thread.join()


def _missing() -> str | None:
    """Which of the two processes that a driver can't do without answers no more: a dead one refuses at once."""
    from ray._private import worker

    node = worker._global_node
    if node is None:
        return None  # not connected yet, or not any more
    host, _, port = node.gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()
    except OSError:
        return "its control process (GCS)"
    try:
        with socket.socket(socket.AF_UNIX) as raylet:
            raylet.settimeout(CONNECT_TIMEOUT)
            raylet.connect(node.raylet_socket_name)
    except OSError:
        return "this machine's Ray (raylet)"
    return None
