"""Fixtures of all fault tests: the number of kills, and the figures that the long form prints at its end."""

import os
from collections.abc import Callable

import pytest

FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture(scope="session")
def kills() -> int:
    """Return the number of kills in the kill test: CHAOS_KILLS, by default 11: one round of all kinds."""
    return int(os.environ.get("CHAOS_KILLS", "11"))


@pytest.fixture(scope="session")
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that keeps a line of figures for the end of the run and for docs/reliability.md."""
    return request.config.stash[FIGURES].append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[FIGURES]:
        terminalreporter.section("chaos")
        for line in config.stash[FIGURES]:
            terminalreporter.write_line(line)
