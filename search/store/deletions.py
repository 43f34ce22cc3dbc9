"""Deletions in an object store, in a thread of their own: a store that answers late must not hold up a search."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress


class Deletions:
    """Deletions that are carried out one after another in the background.

    What a killed or hasty process leaves behind stays where it lies: nothing refers to it any more.
    """

    def __init__(self, delete: Callable[[str], None]) -> None:
        self._delete = delete
        self._places: queue.Queue[str] = queue.Queue()
        self._thread: threading.Thread | None = None

    def add(self, place: str) -> None:
        """Have what lies at `place` deleted."""
        self._places.put(place)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="deletions", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` until everything is deleted; return whether it is."""
        with self._places.all_tasks_done:
            return self._places.all_tasks_done.wait_for(lambda: not self._places.unfinished_tasks, seconds)

    def _work(self) -> None:
        while True:
            place = self._places.get()
            with suppress(Exception):  # it stays, and the next one is deleted all the same
                self._delete(place)
            self._places.task_done()
