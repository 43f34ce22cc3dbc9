"""A long classification shows at a terminal how far it is, and leaves nothing behind; elsewhere it shows nothing."""

import io
from contextlib import suppress

import pytest

from model.waiting import FEWEST, counted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def test_every_hundredth_part_is_told_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch)
    with counted(1_000) as one_more:
        assert one_more
        for _ in range(1_000):
            one_more()
    told = terminal.getvalue().split("\r")
    assert told[1] == "10 of 1,000 pictures"
    assert told[-3] == "1,000 of 1,000 pictures"
    assert len(told) == 103
    assert told[-2:] == [" " * len(told[-3]), ""]


def test_few_pictures_and_other_places_are_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch)
    with counted(FEWEST - 1) as few:
        assert few is None
    for stderr in (io.StringIO(), None):
        monkeypatch.setattr("sys.stderr", stderr)
        with counted(FEWEST) as unseen:
            assert unseen is None
    assert terminal.getvalue() == ""


def test_the_line_is_wiped_when_a_person_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch)
    with suppress(KeyboardInterrupt), counted(FEWEST) as one_more:
        assert one_more
        one_more()
        one_more()
        raise KeyboardInterrupt
    assert "2 of 200 pictures" in terminal.getvalue()
    assert terminal.getvalue().endswith(" \r")


def test_a_terminal_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch)

    def gone(_: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", gone)
    with counted(FEWEST) as one_more:
        assert one_more
        for _ in range(FEWEST):
            one_more()
