"""Work: what the Tuner, in a thread of its own, is at work on: the trials of one stage, then those of the next."""

import threading
from typing import Any

from model.interruptions import PERIOD, check
from search.on_ray.slots import Node, Slots, room, unheld
from search.trials import Trials


class Work:
    """The hand-over between the driver's stages and the thread of a Tuner.

    `slots` and `nodes` are those of the stage in hand; `trials` is None between two stages.
    """

    def __init__(self, slots: Slots, nodes: list[Node]) -> None:
        self.slots = slots
        self.nodes = nodes
        self.trials: Trials | None = None
        self._closed = False
        self._changed = threading.Condition()

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Ray pickles its searcher into snapshots, which are never read back."""
        return {}

    def free_slots(self, trials: Trials) -> int:
        """Return how many trials may run at once now: fewer where workers rest on faulty machines."""
        if not trials.faults.resting:
            return self.slots.concurrent
        free = unheld(self.nodes, trials.faults.held(left_out=False), self.slots.cpus)
        return min(self.slots.concurrent, room(self.slots, free))

    def hand_over(self, trials: Trials, slots: Slots, nodes: list[Node]) -> None:
        """Let the Tuner run `trials`, and wait until they are done or the Tuner has ended. For the driver's thread.

        Raises KeyboardInterrupt at a second Ctrl-C.
        """
        with self._changed:
            self.slots, self.nodes, self.trials = slots, nodes, trials
            self._changed.notify_all()
            while not self._changed.wait_for(lambda: self.trials is None or self._closed, PERIOD):
                check()

    def close(self) -> None:
        """End the Tuner, or say that it has ended: nothing more will be done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Leave the Tuner to itself amid a stage: nothing that it still reports is recorded."""
        self.trials = None
        self.close()

    def finish_stage(self) -> None:
        """Say that the stage in hand is done. For the Tuner's thread."""
        with self._changed:
            self.trials = None
            self._changed.notify_all()

    def wait_for_stage(self) -> Trials | None:
        """Return the trials of the stage in hand, or of the next one once it is there; None if there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self.trials is not None or self._closed)
            return None if self._closed else self.trials
