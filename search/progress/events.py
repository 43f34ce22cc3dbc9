"""The progress of a run as events, one JSON object per line, for a program that follows it."""

import io
import json
import os
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from search.progress.lines import Progress
from search.progress.output import Output
from search.progress.status import Status
from search.store.records import record_of


class EventProgress(Progress):
    """The progress of a run as JSON, one object per line written to `pipe`, for a program that follows the search."""

    period = 1.0

    def __init__(self, pipe: int, quiet: bool) -> None:
        super().__init__(quiet)
        self.console = Output(file=io.StringIO(), force_terminal=False)  # no live view
        self.pipe = pipe
        self.one_line = threading.Lock()

    def emit(self, **event: Any) -> None:
        """Write one event. The driver's thread, whose signal handlers emit too, waits while the Tuner's emits."""
        line = f"{json.dumps(event)}\n".encode()
        with self.one_line, suppress(OSError):  # nobody follows any more; the search ends tidily all the same
            while line:
                line = line[os.write(self.pipe, line) :]

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

    def ended(self, stopped: str | None, export: Path | None) -> None:
        self.emit(outcome={"stopped": stopped, "export": export and str(export)})

    def ray_is_gone(self, line: str) -> None:
        self.emit(gone=line)

    @property
    def watched(self) -> bool:
        return not self.quiet

    def show(self, status: Status) -> None:
        self.emit(status=asdict(status))


def events_on_stdout(quiet: bool) -> EventProgress:
    """Return a progress that writes its events to standard output; what libraries print goes to standard error."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return EventProgress(pipe, quiet)
