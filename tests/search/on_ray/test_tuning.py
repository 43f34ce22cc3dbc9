"""One Tuner for all stages of a run: its workers go on from one to the next; another follows where it has ended."""

import gc
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from search.on_ray.scheduler import StudyScheduler
from search.on_ray.searcher import StudySearcher
from search.on_ray.slots import Slots
from search.on_ray.work import Work
from search.store.records import read_trials
from search.store.study import CONFIRM, REFIT, SEARCH
from search.trials import Trials
from tests.search.driven import new_trials, opened, run_to_the_end
from tests.searches import Go, experiment, poison

pytestmark = pytest.mark.usefixtures("two_cpus")
ONE_CPU_EACH = {"resources": {"cpus_per_trial": 1}, "export": {"refit": True}}


def test_all_stages_have_the_same_workers(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def note(number: int, metrics: Any, checkpoints: list[str]) -> None:
        (tmp_path / f"worker-{os.getpid()}").touch()

    poison(monkeypatch, note)
    outcome = go(experiment(**ONE_CPU_EACH))
    assert outcome.export
    assert [len(read_trials(outcome.run_dir, study)) for study in (SEARCH, CONFIRM, REFIT)] == [4, 4, 1]
    assert len(list(tmp_path.glob("worker-*"))) == 2


def test_tune_holds_no_trial_that_has_ended(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold each with all its figures, for good. Two run, and Ray still refers to the last of each worker."""
    added: list[weakref.ref[Any]] = []
    held: list[int] = []
    add = StudyScheduler.on_trial_add

    def counting(self: StudyScheduler, controller: Any, trial: Any) -> None:
        add(self, controller, trial)
        added.append(weakref.ref(trial))
        gc.collect()
        held.append(sum(reference() is not None for reference in added))

    monkeypatch.setattr(StudyScheduler, "on_trial_add", counting)
    go(experiment(**ONE_CPU_EACH))
    assert len(held) == 4 + 4 + 1
    assert max(held) <= 4, held


def test_a_search_out_of_time_is_confirmed_in_new_workers(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tune ends all that runs, and then itself."""

    def after_an_epoch(trials: Trials) -> bool:
        return trials.stage.max_seconds is not None and any(trial.last_step for trial in trials.stage.study.trials())

    monkeypatch.setattr(Trials, "out_of_time", property(after_an_epoch))
    wanted = experiment(
        search={"trials": 2}, hyperparameters={"epochs": 20}, confirm={"top": 1, "seeds": 1},
        resources={"cpus_per_trial": 1, "max_minutes": 60},
    )  # fmt: skip
    outcome = go(wanted)
    assert {trial.state for trial in read_trials(outcome.run_dir)} == {"interrupted"}
    assert [trial.state for trial in read_trials(outcome.run_dir, CONFIRM)] == ["complete"]
    assert outcome.export


def test_a_searcher_waits_between_two_stages(tmp_path: Path) -> None:
    """And hands out no more trials at once than there is room for."""
    work, trials = Work(Slots(1, 1), []), new_trials(tmp_path, opened(tmp_path), trials=2)
    searcher = StudySearcher(work)
    driver = threading.Thread(target=work.hand_over, args=(trials, Slots(1, 1), []))
    driver.start()
    for worker in "ab":
        assert searcher.suggest(worker)["number"] == "ab".index(worker)
        assert searcher.suggest("none is free") is None
        run_to_the_end(trials, worker, 0.9)
    answers: list[Any] = []
    tuner = threading.Thread(target=lambda: answers.append(searcher.suggest("between")))
    tuner.start()
    driver.join(10)
    assert not driver.is_alive()
    assert tuner.is_alive()
    work.close()
    tuner.join(10)
    assert answers == [searcher.FINISHED]
