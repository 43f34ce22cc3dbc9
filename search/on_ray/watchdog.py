"""The watchdog, which notices that Ray itself is gone. Ray would end this process silently, up to a minute later."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

PERIOD, MISSES = 1.0, 3  # seconds between two checks, and how many must fail in a row
CONNECT_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class Lifelines:
    """The processes that a driver depends on: Ray's GCS, by its address, and this machine's raylet, by its socket."""

    gcs: str
    raylet: str

    def missing(self) -> str | None:
        """Return which of the two processes no longer answers; None if both do. A dead one refuses at once."""
        host, _, port = self.gcs.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()
        except OSError:
            return "its control process (GCS)"
        try:
            with socket.socket(socket.AF_UNIX) as raylet:
                raylet.settimeout(CONNECT_TIMEOUT)
                raylet.connect(self.raylet)
        except OSError:
            return "this machine's Ray (raylet)"
        return None


def lifelines() -> Lifelines:
    """Return the lifelines of the Ray that this process is connected to."""
    context = ray.get_runtime_context()
    [here] = [node for node in ray.nodes() if node["NodeID"] == context.get_node_id()]
    return Lifelines(context.gcs_address, here["RayletSocketName"])


@contextmanager
def watching(on_gone: Callable[[str], None]) -> Iterator[threading.Event]:
    """Watch over Ray while the body runs. Yields an event that is set when Ray is gone.

    `on_gone` is then called, in a thread of its own, with what is missing. It has to end the process, since the
    caller's own thread may hang within Ray for good.
    """
    gone, over, lines = threading.Event(), threading.Event(), lifelines()

    def watch() -> None:
        misses = 0
        while not over.wait(PERIOD):
            missing = lines.missing()
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
