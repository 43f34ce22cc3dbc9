"""What the person at the terminal sees: one line per ended trial, and a live line below them."""

import io
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.text import Text

from search.store.records import record_of

STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class Progress:
    """Prints to the terminal, or plain lines where the output is none. `quiet` leaves only `result` and `warn`."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self.live: Live | None = None
        self.total = self.done = self.already = 0
        self.best = ""
        self.began = time.monotonic()
        self.ends: float | None = None  # when this stage will be done, by its pace so far

    def say(self, line: str) -> None:
        if not self.quiet:
            self.console.print(line)

    def result(self, line: str) -> None:
        self.console.print(line)

    def warn(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def begin(self, total: int, done: int) -> None:
        """A stage of `total` trials starts, `done` of which are finished already."""
        self.total, self.done, self.already = total, done, done
        self.best = ""
        self.began = time.monotonic()
        self.ends = None
        if self.console.is_terminal and not self.quiet:
            self.live = Live(Text(), console=self.console, auto_refresh=False, transient=True)
            self.live.start()

    def end(self) -> None:
        if self.live:
            self.live.stop()
            self.live = None

    def trial_ended(self, trial: FrozenTrial, best: list[FrozenTrial]) -> None:
        self.done += 1
        now = time.monotonic()
        self.ends = now + (now - self.began) / (self.done - self.already) * (self.total - self.done)
        refit = "refit" in trial.user_attrs  # its validation images are among those it was trained on
        if best and not refit:
            self.best = f"best {best[0].value or 0:.2%} ({_name(best[0])}), "
        last = max(trial.intermediate_values, default=0)
        accuracy = f"{trial.intermediate_values[last]:7.2%}" if last and not refit else "      -"
        error = f"  {trial.user_attrs['error']}" if trial.user_attrs.get("error") else ""
        state = STATES[trial.state]
        self.say(f"{_name(trial)}  {state:8}  {last:3d} epochs  {accuracy}  {describe(trial.params)}{error}")

    def ended(self, stopped: str | None, export: Path | None) -> None:
        """The run has ended, for the reason `stopped` if before its time; for whoever follows it as a program."""

    def tick(self, running: int, stopping: bool) -> None:
        if self.live:
            state = "stopping, " if stopping else ""
            self.live.update(
                Text(f"{state}{self.best}{running} running, {self.done} of {self.total} done{self._left()}")
            )
            self.live.refresh()

    def _left(self) -> str:
        """Time left in this stage, by the pace until the last end; nothing before the first."""
        if self.ends is None:
            return ""
        seconds = max(self.ends - time.monotonic(), 0)
        left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f", about {left} left in this stage"


class EventProgress(Progress):
    """Writes one JSON object per line to `stream`, for another process that follows the search."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        super().__init__(quiet)
        self.console = Console(file=io.StringIO(), force_terminal=False)  # never shown
        self.stream = stream

    def emit(self, **event: Any) -> None:
        print(json.dumps(event), file=self.stream, flush=True)

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

    def ended(self, stopped: str | None, export: Path | None) -> None:
        self.emit(outcome={"stopped": stopped, "export": export and str(export)})


def _name(trial: FrozenTrial) -> str:
    """A search trial by its number, a run of the confirmation or the refit by the trial that it repeats."""
    attributes = trial.user_attrs
    if "candidate" not in attributes:
        return f"trial {trial.number:3d}"
    what = "refit" if "refit" in attributes else f"again, run {attributes['run']}"
    return f"trial {attributes['candidate']:3d} {what}"


def describe(params: dict[str, Any]) -> str:
    """Parameters as `name=value` words, floats to three digits."""
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
