"""What StudyScheduler passes on to the decisions, without a Ray that runs."""

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search.on_ray.scheduler import StudyScheduler
from search.on_ray.slots import Slots
from search.on_ray.watchdog import Lifelines
from search.on_ray.work import Work
from tests.search.driven import new_trials, opened


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Lifelines]:
    """Lifelines to sockets that answer, as Ray's processes do."""
    with socket.create_server(("127.0.0.1", 0)) as gcs, socket.socket(socket.AF_UNIX) as raylet:
        raylet.bind(str(tmp_path / "raylet"))
        raylet.listen()
        yield Lifelines(f"127.0.0.1:{gcs.getsockname()[1]}", str(tmp_path / "raylet"))


@pytest.mark.parametrize(("dead", "deaths"), [(None, 1), ("raylet", 0), ("gcs", 0)])
def test_a_worker_that_died_with_ray_itself_is_not_charged(
    tmp_path: Path, answering: Lifelines, dead: str | None, deaths: int
) -> None:
    """Even before the watchdog is sure that Ray is gone."""
    lines = answering
    if dead:
        nobody = {"raylet": str(tmp_path / "nobody"), "gcs": "127.0.0.1:1"}
        lines = Lifelines(**{"gcs": answering.gcs, "raylet": answering.raylet, dead: nobody[dead]})
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study)
    trials.next_config("a")
    trial: Any = SimpleNamespace(trial_id="a", error_file=None)
    work = Work(Slots(1, 1), [])
    work.trials = trials
    ended: list[bool] = []
    controller = SimpleNamespace(_cleanup_cached_actors=lambda force_all: ended.append(force_all))
    StudyScheduler(work, lines).on_trial_error(controller, trial)
    assert ended == [True]  # idle workers: those of a lost machine would each cost the next trial a retry
    assert study.trial(0).state.name == "WAITING"
    assert study.trial(0).user_attrs.get("retries", 0) == deaths
