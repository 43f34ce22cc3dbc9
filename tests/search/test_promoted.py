"""A search that promotes: trials pause, go on from their checkpoints, and end; interrupted or extended at any point."""

import json
import os
import uuid
from pathlib import Path

import pytest
from optuna.pruners import NopPruner
from optuna.trial import TrialState

from search.progress import EventProgress, Progress
from search.space import parse_space
from search.store.checkpoint_store import CheckpointStore
from search.store.records import read_trials
from search.store.stage import Stage
from search.strategy.promotion import Promotion
from search.trials import Trials
from tests.search.driven import checkpoint, opened, result

SPACE = parse_space({"epochs": 9, "dropout1": {"low": 0.0, "high": 0.5}})
VALUES = [0.5, 0.9, 0.1, 0.7, 0.3, 0.8, 0.2, 0.25, 0.15]


def begun(tmp_path: Path, trials: int = 6) -> Trials:
    """A driver that starts on what the disk holds."""
    study = opened(tmp_path, NopPruner())
    study.requeue_interrupted()
    promotion = Promotion(grace_epochs=1, reduction_factor=3, finalists=1)
    store = CheckpointStore(tmp_path)
    stage = Stage(store, study, SPACE, seed=1, trials=trials, kept_checkpoints=1, promotion=promotion)
    return Trials(stage, Progress())


def run_one(trials: Trials, tmp_path: Path) -> tuple[int, list[int]] | None:
    """Train the next trial until it ends or pauses; return its number and the epochs that were trained."""
    worker = uuid.uuid4().hex
    config = trials.next_config(worker)
    if config is None:
        return None
    number = config["number"]
    first = 1 + max((int(path.rpartition("_")[2]) for path in config["checkpoints"]), default=0)
    trained = []
    for epoch in range(first, 10):
        trained.append(epoch)
        accuracy = VALUES[number] + epoch / 100
        saved = checkpoint(tmp_path, worker, epoch) if epoch in config["pauses"] or epoch == 9 else None
        if not trials.on_result(worker, result(epoch, accuracy), saved):
            break
    return number, trained


def run_all(trials: Trials, tmp_path: Path) -> list[tuple[int, list[int]]]:
    return list(iter(lambda: run_one(trials, tmp_path), None))  # type: ignore[arg-type]


ORDER = [
    (0, [1]),
    (1, [1]),
    (2, [1]),
    (1, [2, 3]),  # the best of three
    (3, [1]),
    (4, [1]),
    (5, [1]),
    (5, [2, 3]),  # the second best of six; then nobody else can come to epoch 3, and the better goes on
    (1, [4, 5, 6, 7, 8, 9]),
]


def test_the_best_go_on_from_where_they_paused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = begun(tmp_path)
    assert run_all(trials, tmp_path) == ORDER
    assert trials.finished
    states = {record.number: record.state for record in read_trials(tmp_path)}
    assert states == {0: "paused", 1: "complete", 2: "paused", 3: "paused", 4: "paused", 5: "paused"}
    trials.settle()
    assert [record.state for record in read_trials(tmp_path)] == ["pruned", "complete", *["pruned"] * 4]
    said = capsys.readouterr().out
    assert "trial   5  paused      1 epochs" in said
    assert "5 paused trials end here, as pruned: others did better" in said
    assert len(list(tmp_path.glob("ray/*/checkpoint_*"))) == 2  # the two of the best


def test_a_program_that_follows_a_search_is_told_of_each_trial_that_ends(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    trials = begun(tmp_path)
    trials.progress = EventProgress(writing, quiet=True)
    run_all(trials, tmp_path)
    trials.settle()
    trials.progress.close()
    os.close(writing)
    with os.fdopen(reading) as events:
        ended = [event["trial"] for event in map(json.loads, events) if "trial" in event]
    assert [(trial["number"], trial["state"]) for trial in ended] == [
        (1, "complete"),
        *((n, "pruned") for n in (0, 2, 3, 4, 5)),
    ]


@pytest.mark.parametrize("after", range(len(ORDER)))
def test_a_search_killed_between_two_decisions_makes_the_same_ones(tmp_path: Path, after: int) -> None:
    trials = begun(tmp_path)
    for _ in range(after):
        run_one(trials, tmp_path)
    trials.next_config("dies")  # and is trained again
    assert run_all(begun(tmp_path), tmp_path) == ORDER[after:]


def test_a_kill_between_a_value_and_the_pause_after_it_is_made_good(tmp_path: Path) -> None:
    trials = begun(tmp_path)
    trials.next_config("cut")
    study = trials.stage.study
    study.record_epoch(0, {**result(1, 0.5), "clock": 1.0})
    study.set_attributes(0, saved_state={"place": "ray/cut/checkpoint_1", "epoch": 1})
    again = begun(tmp_path)
    assert again.next_config("next") is not None
    assert [record.state for record in read_trials(tmp_path)][:1] == ["paused"]


def test_a_longer_search_promotes_what_a_shorter_one_pruned(tmp_path: Path) -> None:
    shorter = begun(tmp_path, trials=4)
    run_all(shorter, tmp_path)
    shorter.settle()
    assert [record.state for record in read_trials(tmp_path)] == ["pruned", "complete", "pruned", "pruned"]
    longer = begun(tmp_path, trials=6)
    assert run_all(longer, tmp_path) == [(4, [1]), (5, [1]), (5, [2, 3])]
    longest = begun(tmp_path, trials=9)
    assert (3, [1, 2, 3]) in run_all(longest, tmp_path)  # trained again from its beginning: its checkpoint was deleted
    longest.settle()
    records = read_trials(tmp_path)
    assert {record.state for record in records} == {"complete", "pruned"}
    assert records[3].value == pytest.approx(VALUES[3] + 0.03)
    assert opened(tmp_path).trials(TrialState.RUNNING) == []
