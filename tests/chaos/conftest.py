"""What all fault tests share: how long the form is, and the figures that the long form prints at its end."""

import os
from collections.abc import Callable

import pytest

FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture(scope="session")
def kills() -> int:
    """How many kills the kill test makes: CHAOS_KILLS, 15 by default."""
    return int(os.environ.get("CHAOS_KILLS", "15"))


@pytest.fixture(scope="session")
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a line of figures for the end of the run; the table in docs/reliability.md is made from these."""
    return request.config.stash[FIGURES].append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[FIGURES]:
        terminalreporter.section("chaos")
        for line in config.stash[FIGURES]:
            terminalreporter.write_line(line)
