"""The output at the terminal: one line per ended trial, and a live line below them."""

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.live import Live
from rich.text import Text

from model.errors import complain, leave_stdout, summary
from search.store.records import ENDED, record_of
from search.store.study import OF_RECIPE
from search.strategy.constraint import BROKEN


class Output(Console):
    """Standard output. Whoever reads it may close it (`| head`): then the search goes on without it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, markup=False, emoji=False, **options)

    def write_line(self, text: str) -> None:
        """Print a line. What can't be written, on a full disk, say, is lost with all that follows."""
        with self.losing():
            self.print(text)

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Let what the body writes be lost where it can't be written: its disk is full, its terminal is gone."""
        try:
            yield
        except OSError as error:
            self._give_up(summary(error))

    def on_broken_pipe(self) -> None:  # rich would end the process
        self._give_up("nobody reads it any more")

    def _give_up(self, reason: str) -> None:
        self.quiet = True
        leave_stdout()
        complain(f"standard output is lost ({reason}): the search goes on without it")


class Progress:
    """The progress of a run on a terminal, or as plain lines elsewhere. `quiet` leaves only `result` and `warn`."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Output()
        self.live: Live | None = None
        self.total = self.done = self.already = 0
        self.counted: set[int] = set()  # the trials that this stage has counted as done
        self.best = ""
        self.began = time.monotonic()
        self.ends: float | None = None  # when this stage will end, by its pace so far

    def say(self, line: str) -> None:
        if not self.quiet:
            self.console.write_line(line)

    def result(self, line: str) -> None:
        self.console.write_line(line)

    def warn(self, line: str) -> None:
        complain(line)

    def begin(self, total: int, done: int) -> None:
        """Start the display of a stage of `total` trials, of which `done` are finished already."""
        self.total, self.done, self.already = total, done, done
        self.counted = set()
        self.best = ""
        self.began = time.monotonic()
        self.ends = None
        if self.console.is_terminal and not self.quiet:
            self.live = Live(Text(), console=self.console, auto_refresh=False, transient=True)
            self.live.start()

    def end(self) -> None:
        if self.live:
            with self.console.losing():
                self.live.stop()
            self.live = None

    def trial_ended(self, trial: FrozenTrial, best: list[FrozenTrial]) -> None:
        """Print the line of a trial that has ended; `best` holds the best complete trial so far, if any."""
        self._count(trial)
        if best and "refit" not in trial.user_attrs:  # its accuracy is over other images than that of all others
            self.best = f"best {best[0].value or 0:.2%} ({_name(best[0])}), "
        self._say_trial(trial, ENDED[trial.state])

    def trial_paused(self, trial: FrozenTrial) -> None:
        """Print the line of a trial that waits at a rung for its promotion."""
        self._count(trial)
        self._say_trial(trial, "paused")

    def trials_settled(self, trials: list[FrozenTrial]) -> None:
        """Say that paused trials have ended with the search, as pruned."""
        self.say(f"{len(trials)} paused trials end here, as pruned: others did better")

    def _count(self, trial: FrozenTrial) -> None:
        """Count a trial that has ended or paused, once, and foretell the end of the stage."""
        if trial.number not in self.counted:
            self.counted.add(trial.number)
            self.done += 1
            self.total = max(self.total, self.done)  # a race grows as it goes
        now = time.monotonic()
        self.ends = now + (now - self.began) / (self.done - self.already) * (self.total - self.done)

    def _say_trial(self, trial: FrozenTrial, state: str) -> None:
        last = max(trial.intermediate_values, default=0)
        accuracy = f"{trial.intermediate_values[last]:7.2%}" if last else "      -"
        reason = trial.user_attrs.get("error") or trial.user_attrs.get(BROKEN)
        why = f"  {reason}" if reason else ""
        params = describe(trial.user_attrs.get(OF_RECIPE, trial.params))
        self.say(f"{_name(trial)}  {state:8}  {last:3d} epochs  {accuracy}  {params}{why}")

    def ended(self, stopped: str | None, export: Path | None) -> None:
        """Report the end of the run to a program that follows it; `stopped` says why it ended early, if it did."""

    def ray_is_gone(self, line: str) -> None:
        """Say that Ray is gone."""
        self.warn(line)

    def tick(self, running: int, stopping: bool) -> None:
        """Refresh the live line; `running` is the number of trials that run now."""
        if self.live:
            prefix = "stopping, " if stopping else ""
            line = f"{prefix}{self.best}{running} running, {self.done} of {self.total} done{self._left()}"
            with self.console.losing():
                self.live.update(Text(line))
                self.live.refresh()

    def _left(self) -> str:
        """Return the words on the time left in this stage, by its pace so far; "" until a trial has ended."""
        if self.ends is None:
            return ""
        seconds = max(self.ends - time.monotonic(), 0)
        left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f", about {left} left in this stage"


class EventProgress(Progress):
    """The progress of a run as JSON, one object per line written to `pipe`, for a program that follows the search."""

    def __init__(self, pipe: int, quiet: bool) -> None:
        super().__init__(quiet)
        self.console = Output(file=io.StringIO(), force_terminal=False)  # no live line
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

    def trial_ended(self, trial: FrozenTrial, best: list[FrozenTrial]) -> None:
        super().trial_ended(trial, best)
        self.emit(trial=asdict(record_of(trial, live=True)))

    def trials_settled(self, trials: list[FrozenTrial]) -> None:
        super().trials_settled(trials)
        for trial in trials:
            self.emit(trial=asdict(record_of(trial, live=True)))

    def ended(self, stopped: str | None, export: Path | None) -> None:
        self.emit(outcome={"stopped": stopped, "export": export and str(export)})

    def ray_is_gone(self, line: str) -> None:
        self.emit(gone=line)


def _name(trial: FrozenTrial) -> str:
    """Return a trial's name in a line; one of the confirmation or the refit is named after the trial it repeats."""
    attributes = trial.user_attrs
    if OF_RECIPE in attributes:
        return f"recipe    again, run {attributes['run']}"
    if "candidate" not in attributes:
        return f"trial {trial.number:3d}"
    what = "refit" if "refit" in attributes else f"again, run {attributes['run']}"
    return f"trial {attributes['candidate']:3d} {what}"


def describe(params: dict[str, Any]) -> str:
    """Return parameters as `name=value` words, floats with three significant digits."""
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
