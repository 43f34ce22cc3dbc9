"""The progress of a run as events, one JSON object per line, for a program that follows it.

A thread of its own writes them: whoever reads slowly, or not at all, never holds up the search.
"""

import io
import json
import os
import select
import threading
import time
from collections import deque
from dataclasses import asdict
from typing import Any

from optuna.trial import FrozenTrial

from model.interruptions import PERIOD, check
from search.progress.lines import Progress
from search.progress.output import Output
from search.progress.status import Status
from search.store.records import record_of
from search.winner import Outcome

PATIENCE = 10.0  # seconds, at the end, for a reader that takes nothing


class EventProgress(Progress):
    """The progress of a run as JSON, one object per line written to `pipe`, for a program that follows the search.

    Each event arrives, at a reader that reads; of the status only the newest, where an earlier one still waits.
    """

    period = 1.0

    def __init__(self, pipe: int, quiet: bool) -> None:
        super().__init__(quiet)
        self.console = Output(file=io.StringIO(), force_terminal=False)  # no live view
        self.pipe = pipe
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._unwritten = 0  # events, with the one that is being written
        self._taken = 0.0  # when the reader last took something
        threading.Thread(target=self._write, daemon=True).start()

    def emit(self, **event: Any) -> None:
        """Have one event written after those before it."""
        with self._changed:
            self._waiting.append(event)
            self._unwritten += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until all events are written, or the reader has taken nothing for a while."""
        until = time.monotonic()
        with self._changed:
            while self._unwritten and time.monotonic() < max(until, self._taken) + PATIENCE:
                check()
                self._changed.wait(PERIOD)

    def _write(self) -> None:
        lost = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                event = self._waiting.popleft()
            try:
                if not lost:
                    self._write_line(f"{json.dumps(event)}\n".encode())
            except OSError:  # nobody follows any more; the search ends tidily all the same
                lost = True
            with self._changed:
                self._unwritten -= 1
                self._changed.notify_all()

    def _write_line(self, line: bytes) -> None:
        room = select.poll()
        room.register(self.pipe, select.POLLOUT)
        while line:
            room.poll()  # the pipe may be one that does not wait by itself
            line = line[os.write(self.pipe, line[: select.PIPE_BUF]) :]
            self._taken = time.monotonic()

    def say(self, line: str) -> None:
        if not self.quiet:
            self.emit(line=line)

    def result(self, line: str) -> None:
        self.emit(line=line)

    def warn(self, line: str) -> None:
        self.emit(warning=line)

    def trial_ended(self, trial: FrozenTrial) -> None:
        super().trial_ended(trial)
        self.emit(trial=asdict(record_of(trial, live=True)))

    def trials_settled(self, trials: list[FrozenTrial]) -> None:
        super().trials_settled(trials)
        for trial in trials:
            self.emit(trial=asdict(record_of(trial, live=True)))

    def ended(self, outcome: Outcome) -> None:
        export, failures = outcome.export, outcome.failures
        self.emit(
            outcome={
                "stopped": outcome.stopped,
                "export": export and str(export),
                "failures": failures and asdict(failures),
                "learned": outcome.learned,
            }
        )

    def ray_is_gone(self, line: str) -> None:
        self.emit(gone=line)

    @property
    def watched(self) -> bool:
        return not self.quiet

    def show(self, status: Status) -> None:
        with self._changed:
            outdated = [event for event in self._waiting if "status" in event]
            for event in outdated:
                self._waiting.remove(event)
            self._unwritten -= len(outdated)
        self.emit(status=asdict(status))


def progress_of(quiet: bool, as_json: bool = False, pipe: int | None = None) -> Progress:
    """Return the progress of a command: as events, in `pipe` or `as_json` on standard output, or for a person.

    Standard output is then for events alone: what libraries print there goes to standard error.
    """
    if pipe is not None:
        return EventProgress(pipe, quiet)
    if not as_json:
        return Progress(quiet)
    pipe = os.dup(1)
    os.dup2(2, 1)
    return EventProgress(pipe, quiet)
