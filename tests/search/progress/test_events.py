"""The events of a run: each a JSON object on a line, the status among them; shown in a notebook's cell."""

import fcntl
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from search.progress import EventProgress
from search.progress.plan import StageStatus
from search.progress.status import BestTrial, RunningTrial, Status
from search.run import run_search
from search.trials import Trials
from tests.searches import experiment
from tests.without_ray import without_ray

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
        told.close()
    found = [event["status"] for event in events(tmp_path / "events")]
    assert [status["state"] for status in found] == ["running", "stopping"]
    assert [status["elapsed"] for status in found] == pytest.approx([1.0, 2.1])
    assert found[0]["stages"] == [{"name": "search", "done": 1, "total": 3}]


def test_a_quiet_search_tells_no_status(tmp_path: Path) -> None:
    told = progress(tmp_path / "events", quiet=True)
    told.begin(lambda: STATUS)
    told.tick(stopping=False)
    assert events(tmp_path / "events") == []


def test_a_reader_that_does_not_read_holds_up_no_search(tiny_root: Path, tmp_path: Path, one_thread: None) -> None:
    """The pipe has room for 4 KiB; all that counts arrives when the reader reads at last, of the status the newest."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    told = EventProgress(writing, quiet=False)
    ended = threading.Event()
    stuck = threading.Timer(120, ended.set)  # a search that waits for its reader would wait for good
    stuck.start()
    wanted = experiment(search={"trials": 6}, confirm={"top": 0})

    def read() -> list[dict[str, Any]]:
        ended.wait()
        with os.fdopen(reading) as pipe:
            return [json.loads(line) for line in pipe]

    with ThreadPoolExecutor(1) as reader:
        events = reader.submit(read)
        try:
            outcome = run_search(wanted, tmp_path / "run", told, data=tiny_root, connect=without_ray(ticking))
            assert not ended.is_set()
            stuck.cancel()
            told.ended(outcome)
        finally:
            ended.set()
            told.close()
            os.close(writing)
    found = [next(iter(event)) for event in events.result()]
    assert found.count("trial") == 6
    assert found[-1] == "outcome"
    assert found.count("status") < 40  # of 60


def ticking(trials: Trials, *report: Any) -> bool:
    """Take a report, and look at the status as often as can be."""
    for _ in range(5):
        trials.progress.due = 0.0
        trials.tick()
    return trials.on_result(*report)


def test_a_reader_that_never_reads_is_waited_for_no_longer_than_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.progress.events.PATIENCE", 0.0)
    reading, writing = os.pipe()
    told = EventProgress(writing, quiet=False)
    told.say("x" * 2**20)
    told.close()
    os.close(reading)  # the thread that waits for it ends its waiting
    told.say("y")
    told.close()
