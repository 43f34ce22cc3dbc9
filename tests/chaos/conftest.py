"""Fixtures of all fault tests: the number of kills, and the figures that are printed at the end."""

import os
from collections.abc import Callable

import pytest

FIGURE = "figure"


@pytest.fixture(scope="session")
def kills() -> int:
    """Return the number of kills in the kill test: CHAOS_KILLS, by default 6, which is one of each kind."""
    return int(os.environ.get("CHAOS_KILLS", "6"))


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function that keeps a line of figures for the end of the run and for docs/reliability.md."""
    return lambda line: record_property(FIGURE, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    properties = [pair for report in terminalreporter.getreports("passed") for pair in report.user_properties]
    if figures := [line for name, line in properties if name == FIGURE]:
        terminalreporter.section("chaos")
        for line in figures:
            terminalreporter.write_line(line)
