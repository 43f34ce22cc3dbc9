"""Standard output, which whoever reads it may close."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from model.errors import complain, leave_stdout, summary

NARROWEST, USUAL = 10, 80  # columns


class Output(Console):
    """Standard output. Whoever reads it may close it (`| head`): then the search goes on without it."""

    def __init__(self, goes_on: bool = True, **options: Any) -> None:
        """With `goes_on` it is said, once, that a search goes on without it."""
        self.goes_on = goes_on
        super().__init__(highlight=False, soft_wrap=True, markup=False, emoji=False, **options)
        if self.width < NARROWEST:  # COLUMNS=0, say, where a terminal does not know its size
            self.width = USUAL

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
        if self.goes_on:
            complain(f"standard output is lost ({reason}): the search goes on without it")
