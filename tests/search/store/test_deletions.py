"""Deletions in the background: they hold up nobody, and are carried out in order."""

import threading
from pathlib import Path

import pytest

from search.store import object_store
from search.store.deletions import Deletions


def test_a_store_that_does_not_answer_holds_up_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers, asked = threading.Event(), list[str]()

    def delete(place: str) -> None:
        answers.wait()
        asked.append(place)

    deletions = Deletions(delete)
    monkeypatch.setattr(object_store, "DELETIONS", deletions)
    for number in range(3):
        object_store.delete(f"s3://bucket/run/{number}")  # returns though nothing is answered
    assert not deletions.wait(0.0)
    answers.set()
    assert deletions.wait(60.0)
    assert asked == [f"s3://bucket/run/{number}" for number in range(3)]
    (tmp_path / "folder").mkdir()
    object_store.delete(str(tmp_path / "folder"))  # a path is deleted at once
    assert not (tmp_path / "folder").exists()


def test_one_deletion_that_fails_does_not_end_the_others() -> None:
    asked: list[str] = []

    def delete(place: str) -> None:
        asked.append(place)
        if len(asked) == 1:
            raise RuntimeError("no such bucket")

    deletions = Deletions(delete)
    deletions.add("a")
    deletions.add("b")
    assert deletions.wait(60.0)
    assert asked == ["a", "b"]
