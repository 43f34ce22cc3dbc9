"""Whole searches within constraints, without Ray: which networks are trained, which end early, which may win."""

from pathlib import Path
from typing import Any

import pytest

from model.latency import milliseconds_per_image
from search.experiment import Experiment, parse_experiment
from search.space import complete
from search.store.records import TrialRecord, read_trials
from search.store.study import CONFIRM
from search.trials import Trials
from tests.searches import Go, experiment
from tests.without_ray import without_ray

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = {"batch_size": 100, "conv2_width": {"low": 2, "high": 12}}
LIMIT = 2_000


def with_points(wanted: Experiment, points: list[dict[str, Any]]) -> Experiment:
    return parse_experiment({**wanted.model_dump(exclude_none=True), "points": points})


def parameters(trial: TrialRecord) -> int:
    return int(trial.attributes["num_parameters"])


def test_no_network_is_trained_that_has_too_many_parameters(go: Go) -> None:
    wanted = experiment(hyperparameters=SIZES, search={"sampler": "tpe"}, constraints={"max_parameters": LIMIT})
    outcome = go(wanted, connect=without_ray())
    trials = read_trials(outcome.run_dir)
    assert [trial.state for trial in trials] == ["complete"] * 4
    assert all(parameters(trial) <= LIMIT for trial in trials)
    assert all(parameters(trial) == complete(wanted.space, trial.params).num_parameters for trial in trials)
    recipe = trials[0].params["conv2_width"]  # 64 in the article, 12 in the space without the limit
    assert complete(wanted.space, {"conv2_width": recipe + 1}).num_parameters > LIMIT


def test_a_search_starts_from_those_points_of_an_earlier_run_that_keep_to_its_limit(go: Go, tmp_path: Path) -> None:
    listed = [{"conv2_width": width, "dropout1": 0.1} for width in (3, 9, 11)]
    earlier = experiment(hyperparameters=SIZES, search={"recipe_first": False, "trials": 3}, confirm={"top": 0})
    go(with_points(earlier, listed), "earlier", connect=without_ray())
    search = {"recipe_first": False, "trials": 1, "start_from": str(tmp_path / "earlier")}
    later = experiment(hyperparameters=SIZES, search=search, confirm={"top": 0}, constraints={"max_parameters": LIMIT})
    outcome = go(later, "later", connect=without_ray())
    assert [trial.params for trial in read_trials(outcome.run_dir)] == [{"conv2_width": 3, "dropout1": 0.1}]


def slow_if_wide(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
    """Let wide networks be slow and the best of all."""
    wide = trials.stage.study.trial(trials.live[ray_trial_id].number).params["conv2_width"] > 6
    if "about/milliseconds_per_image" in result:
        result["about/milliseconds_per_image"] = 3.0 if wide else 1.0
    return trials.on_result(ray_trial_id, {**result, "val_accuracy": 0.99 if wide else 0.5}, checkpoint)


@pytest.mark.parametrize("pruner", ["none", "halving", "promote"])
def test_a_network_that_is_too_slow_ends_early_stops_no_other_and_is_not_confirmed(go: Go, pruner: str) -> None:
    points = [{"conv2_width": width} for width in (8, 3, 9, 4, 10, 5)]
    search = {"trials": 6, "pruner": pruner, "recipe_first": False}
    limit = {"max_milliseconds_per_image": 2.0}
    wanted = experiment(hyperparameters=SIZES, search=search, constraints=limit, confirm={"top": 1, "seeds": 1})
    outcome = go(with_points(wanted, points), connect=without_ray(slow_if_wide))
    trials = read_trials(outcome.run_dir)
    slow = [trial for trial in trials if trial.params["conv2_width"] > 6]
    assert [trial.number for trial in slow] == [0, 2, 4]
    assert {(trial.state, len(trial.epochs)) for trial in slow} == {("pruned", 1)}
    assert {trial.attributes["broken_constraint"][:16] for trial in slow} == {"3 ms per image, "}
    assert all("broken_constraint" not in trial.attributes for trial in trials if trial not in slow)
    assert outcome.winner is not None
    assert outcome.winner.candidate in (1, 3, 5)
    assert [trial.attributes["candidate"] for trial in read_trials(outcome.run_dir, CONFIRM)] == [
        outcome.winner.candidate
    ]


def test_every_trial_is_timed_once_after_its_first_epoch(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def measured(hyperparameters: Any) -> float:
        timed.append(hyperparameters)
        return milliseconds_per_image(hyperparameters)

    monkeypatch.setattr("search.on_ray.trial.milliseconds_per_image", measured)
    wanted = experiment(hyperparameters=SIZES, search={"trials": 2}, confirm={"top": 0})
    trials = read_trials(go(wanted, connect=without_ray()).run_dir)
    assert timed == [complete(wanted.space, trial.params) for trial in trials]
    assert all(trial.attributes["milliseconds_per_image"] > 0 for trial in trials)
