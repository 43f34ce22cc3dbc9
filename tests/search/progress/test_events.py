"""The events of a run: each a JSON object on a line, the status among them; shown in a notebook's cell."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from search.progress import EventProgress
from search.progress.plan import StageStatus
from search.progress.status import BestTrial, RunningTrial, Status

STATUS = Status(
    run="run",
    state="running",
    stages=[StageStatus("search", 1, 3)],
    counts={"complete": 1, "running": 1},
    best=BestTrial("trial 0", 0.97, {"dropout1": 0.1}),
    running=[RunningTrial("trial 1", 4, [0.9, 0.95], 100.0, "here")],
    epochs=5,
    saved=0,
    seconds=3.0,
    left=12.0,
)


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def progress(path: Path, quiet: bool) -> EventProgress:
    return EventProgress(os.open(path, os.O_WRONLY | os.O_CREAT), quiet)


def test_the_status_is_told_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    told = progress(tmp_path / "events", quiet=False)
    told.tick(stopping=False)  # no stage has begun
    told.begin(lambda: STATUS)
    for now[0], stopping in ((101.0, False), (101.5, False), (102.1, True)):
        told.tick(stopping)
    found = [event["status"] for event in events(tmp_path / "events")]
    assert [status["state"] for status in found] == ["running", "stopping"]
    assert [status["elapsed"] for status in found] == pytest.approx([1.0, 2.1])
    assert found[0]["stages"] == [{"name": "search", "done": 1, "total": 3}]


def test_a_quiet_search_tells_no_status(tmp_path: Path) -> None:
    told = progress(tmp_path / "events", quiet=True)
    told.begin(lambda: STATUS)
    told.tick(stopping=False)
    assert events(tmp_path / "events") == []
