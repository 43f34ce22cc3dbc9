"""How long a write waits for a database that does not answer: after which errors, how often, who ends it."""

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from search.store import outage
from search.store.database_errors import TakenError
from search.store.object_store import StoreError

GONE = OperationalError("INSERT", {}, Exception("server closed the connection"))
LOCKED = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))
FULL = OperationalError("INSERT", {}, Exception("could not extend file: No space left on device"))
DELETED = IntegrityError("INSERT", {}, Exception("foreign key"))


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.waits = 0.0, list[float]()
        monkeypatch.setattr(outage.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(outage, "_wait", self.wait)

    def wait(self, seconds: float, _: object) -> None:
        self.waits.append(seconds)
        self.now += seconds


def failing(times: int, error: Exception = GONE) -> "list[Exception]":
    return [error] * times


def attempt(failures: "list[Exception]") -> str:
    if failures:
        raise failures.pop()
    return "done"


def test_pauses_grow_and_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said, failures = Clock(monkeypatch), list[str](), failing(9)
    assert outage.outlasting(lambda: attempt(failures), lambda: False, said.append) == "done"
    assert clock.waits == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert len(said) == 2
    assert "does not answer (server closed the connection)" in said[0]


def test_a_connection_that_was_lost_is_replaced_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said, failures = Clock(monkeypatch), list[str](), failing(1)
    assert outage.outlasting(lambda: attempt(failures), lambda: False, said.append) == "done"
    assert (clock.waits, said) == ([0], [])


def test_after_the_limit_the_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, failures = Clock(monkeypatch), failing(1000)
    with pytest.raises(OperationalError):
        outage.outlasting(lambda: attempt(failures), lambda: False, lambda _: None)
    assert clock.now == outage.LIMIT


@pytest.mark.parametrize("error", [LOCKED, FULL, DELETED, TakenError("another search"), ValueError("a mistake")])
def test_what_is_no_outage_is_raised_at_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    clock, failures = Clock(monkeypatch), failing(1, error)
    with pytest.raises(type(error)):
        outage.outlasting(lambda: attempt(failures), lambda: False, lambda _: None)
    assert clock.waits == []


def test_who_gives_up_waits_no_longer() -> None:
    asked, failures = list[bool](), failing(1000)

    def given_up() -> bool:
        asked.append(True)
        return len(asked) > 8  # in the middle of a pause of one second

    with pytest.raises(OperationalError):
        outage.outlasting(lambda: attempt(failures), given_up, lambda _: None)
    assert len(failures) == 998


def test_an_object_store_that_does_not_answer_is_outlasted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = Clock(monkeypatch), list[str]()
    failures = failing(3, StoreError("bucket: connection refused"))
    assert outage.outlasting(lambda: attempt(failures), lambda: False, said.append) == "done"
    assert clock.waits == [0, 1, 2]
    assert said[0].startswith("the object store does not answer (bucket: connection refused); trying again")
