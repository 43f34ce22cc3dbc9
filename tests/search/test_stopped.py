"""A search that ends itself once more trials can't pay: interrupted at any point, extended, or with promotion."""

import uuid
from pathlib import Path

import pytest
from optuna.pruners import NopPruner

from search.progress import Progress
from search.space import parse_space
from search.store.checkpoint_store import CheckpointStore
from search.store.records import read_trials
from search.store.stage import Stage
from search.strategy.promotion import Promotion
from search.strategy.stop import Stopping
from search.trials import Trials
from tests.search.driven import opened, result

SPACE = parse_space({"epochs": 2, "dropout1": {"low": 0.0, "high": 0.5}})
GAINS = 7  # the last trial that improves the best


def begun(tmp_path: Path, limit: int = 30, stop: bool = True, promotion: Promotion | None = None) -> Trials:
    """A driver that starts on what the disk holds."""
    study = opened(tmp_path, NopPruner())
    study.requeue_interrupted()
    rule = Stopping(limit, startup=4, images=900) if stop else None
    stage = Stage(CheckpointStore(tmp_path), study, SPACE, seed=1, trials=limit, promotion=promotion, stop=rule)
    return Trials(stage, Progress(quiet=True))


def run(trials: Trials, most: int = 1000) -> list[int]:
    """Train the next trials, `most` at most, until each ends or pauses; return their numbers."""
    numbers: list[int] = []
    while len(numbers) < most and (config := trials.next_config(worker := uuid.uuid4().hex)):
        number = config["number"]
        numbers.append(number)
        seen = trials.stage.study.trial(number).last_step or 0
        for epoch in range(seen + 1, 3):
            if not trials.on_result(worker, result(epoch, 0.8 + 0.02 * min(number, GAINS)), None):
                break
    return numbers


def test_it_ends_when_ten_trials_gained_nothing_and_counts_no_others_as_to_do(tmp_path: Path) -> None:
    trials = begun(tmp_path)
    assert trials.stage.planned == 30
    assert run(trials) == list(range(GAINS + 11))
    assert trials.finished
    assert trials.stage.planned == 18
    assert begun(tmp_path).stage.audit().to_do == 0


@pytest.mark.parametrize("after", [0, 9, 17])
def test_a_kill_changes_nothing_about_its_end(tmp_path: Path, after: int) -> None:
    trials = begun(tmp_path)
    run(trials, after)
    trials.next_config("dies")  # and is trained again
    assert run(begun(tmp_path)) == list(range(after, GAINS + 11))
    assert run(begun(tmp_path)) == []


def test_more_trials_or_no_rule_search_on(tmp_path: Path) -> None:
    run(begun(tmp_path))
    assert run(begun(tmp_path, limit=36)) == [18, 19]  # a third of 36 is 12
    assert run(begun(tmp_path, limit=36)) == []
    assert run(begun(tmp_path, limit=36, stop=False)) == list(range(20, 36))


def test_those_that_wait_in_line_are_tried_all_the_same(tmp_path: Path) -> None:
    trials = begun(tmp_path)
    for _ in range(25):
        trials.stage.study.enqueue({"dropout1": 0.1})
    assert trials.stage.audit().to_do == 30
    assert run(trials) == list(range(25))


def test_what_is_paused_when_it_ends_is_promoted_as_at_any_end(tmp_path: Path) -> None:
    promotion = Promotion(grace_epochs=1, reduction_factor=30, finalists=2)
    trials = begun(tmp_path, promotion=promotion)
    assert run(trials) == [*range(GAINS + 11), 7, 8]
    trials.settle()
    states = [record.state for record in read_trials(tmp_path)]
    assert (states.count("pruned"), states.count("complete")) == (16, 2)
    assert begun(tmp_path, promotion=promotion).stage.audit().to_do == 0
