"""The output at the terminal: one line per ended trial, and a live view below them."""

import textwrap
import time
from collections.abc import Callable
from dataclasses import replace

from optuna.trial import FrozenTrial
from rich.live import Live
from rich.text import Text

from model.errors import complain
from search.progress.output import Output
from search.progress.status import Status
from search.progress.view import view
from search.progress.wording import describe, name_of
from search.store.records import ENDED
from search.store.study import OF_RECIPE
from search.strategy.constraint import BROKEN
from search.winner import Outcome

HANGING = " " * 11  # as wide as the name of a trial
SELDOM = 20  # times the seconds that a refresh takes, until the next one


class Progress:
    """The progress of a run on a terminal, or as plain lines elsewhere. `quiet` leaves only `result` and `warn`."""

    period = 0.25  # seconds between two looks at the status

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Output()
        self.live: Live | None = None
        self.look: Callable[[], Status] | None = None
        self.began = time.monotonic()
        self.due = 0.0  # when the live view is to be refreshed

    def say(self, line: str) -> None:
        if not self.quiet:
            self.console.write_line(line)

    def result(self, line: str) -> None:
        self.console.write_line(line)

    def warn(self, line: str) -> None:
        complain(line)

    def begin(self, look: Callable[[], Status]) -> None:
        """Start the display of a stage; `look` returns the status of the run."""
        self.look, self.due = look, 0.0
        if self.console.is_terminal and not self.quiet:
            self.live = Live(Text(), console=self.console, auto_refresh=False, transient=True)
            self.live.start()

    def end(self) -> None:
        if self.live:
            with self.console.losing():
                self.live.stop()
            self.live = None

    def trial_ended(self, trial: FrozenTrial) -> None:
        """Print the line of a trial that has ended."""
        self._say_trial(trial, ENDED[trial.state])

    def trial_paused(self, trial: FrozenTrial) -> None:
        """Print the line of a trial that waits at a rung for its promotion."""
        self._say_trial(trial, "paused")

    def trials_settled(self, trials: list[FrozenTrial]) -> None:
        """Say that paused trials have ended with the search, as pruned."""
        self.say(f"{len(trials)} paused trials end here, as pruned: others did better")

    def _say_trial(self, trial: FrozenTrial, state: str) -> None:
        last = max(trial.intermediate_values, default=0)
        accuracy = f"{trial.intermediate_values[last]:7.2%}" if last else "      -"
        reason = trial.user_attrs.get("error") or trial.user_attrs.get(BROKEN)
        why = f"  {reason}" if reason else ""
        params = describe(trial.user_attrs.get(OF_RECIPE, trial.params))
        self.say(self._wrapped(f"{name_of(trial)}  {state:8}  {last:3d} epochs  {accuracy}  {params}{why}"))

    def _wrapped(self, line: str) -> str:
        """Return a trial's line with breaks between its words where a terminal would break within them."""
        if not self.console.is_terminal:
            return line
        width = max(self.console.width, 2 * len(HANGING))
        return textwrap.fill(line, width, subsequent_indent=HANGING, break_long_words=False, break_on_hyphens=False)

    def ended(self, outcome: Outcome) -> None:
        """Report the end of the run to a program that follows it."""

    def ray_is_gone(self, line: str) -> None:
        """Say that Ray is gone."""
        self.warn(line)

    def close(self) -> None:
        """Wait a little until a program that follows the run has read what was reported."""

    def tick(self, stopping: bool) -> None:
        """Show how far the run is, once in a while, and so seldom that it takes little of the time."""
        now = time.monotonic()
        if self.look is None or not self.watched or now < self.due:
            return
        status = replace(self.look(), elapsed=now - self.began)
        self.show(replace(status, state="stopping") if stopping else status)
        self.due = now + max(self.period, SELDOM * (time.monotonic() - now))

    @property
    def watched(self) -> bool:
        """Return whether anybody looks at what `show` shows."""
        return self.live is not None

    def show(self, status: Status) -> None:
        """Refresh the live view."""
        assert self.live
        with self.console.losing():
            self.live.update(view(status, self.console.width))
            self.live.refresh()
