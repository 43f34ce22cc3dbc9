"""Whole searches with a tiny network on a tiny data set: one through Ray, with all that it leaves; others without."""

import csv
import json
from pathlib import Path

import pytest

from search.progress import Progress
from search.run import run_search
from search.store.records import read_trials
from search.store.study import CONFIRM
from search.winner import winner_of
from tests.searches import Go, experiment
from tests.without_ray import without_ray

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def finished(two_cpus: None, tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search through Ray that ended well."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    outcome = run_search(experiment(), run_dir, Progress(quiet=True), data=tiny_root)
    assert outcome.stopped is None
    assert outcome.export == run_dir / "export"
    return run_dir


def test_search_confirms_and_exports(finished: Path) -> None:
    run_dir = finished
    records = read_trials(run_dir)
    assert [record.state for record in records] == ["complete"] * 4
    assert all(len(record.epochs) == 2 and record.value == record.epochs[-1]["val_accuracy"] for record in records)
    about = {"started", "ended", "seed", "node", "device", "gpu", "num_parameters", "saved_state"}
    assert about <= set(records[0].attributes)
    confirmed = read_trials(run_dir, CONFIRM)
    best = sorted(records, key=lambda record: (-(record.value or 0), record.number))[:2]
    assert sorted(record.attributes["candidate"] for record in confirmed) == sorted(
        b.number for b in best for _ in "12"
    )
    assert len({record.epochs[0]["train_loss"] for record in confirmed}) == 4  # fresh seeds are different seeds
    card = json.loads((run_dir / "export" / "model.json").read_text())
    winner = winner_of(run_dir)
    assert winner is not None
    assert card["provenance"]["source"]["candidate"] == winner.candidate
    assert card["metrics"]["val_accuracy"] == winner.mean
    with (run_dir / "export" / "test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert card["metrics"]["test_accuracy"] == pytest.approx(right / 100)
    attempts = {state.parent.parent for state in (run_dir / "ray").glob("**/state.bin")}
    assert len(attempts) == 3  # the best of the search, and the best run of each candidate, which may be picked


def test_winner_has_the_highest_mean(finished: Path) -> None:
    means: dict[int, list[float]] = {}
    for record in read_trials(finished, CONFIRM):
        means.setdefault(record.attributes["candidate"], []).append(record.value or 0)
    winner = winner_of(finished)
    assert winner is not None
    assert winner.mean == max(sum(values) / len(values) for values in means.values())


def test_halving_prunes_with_its_curve(go_without: Go) -> None:
    wanted = experiment(
        search={"trials": 8, "pruner": "halving", "reduction_factor": 2},
        hyperparameters={"epochs": 3, "learning_rate": {"low": 0.001, "high": 1.0, "log": True}},
        confirm={"top": 0},
    )
    records = read_trials(go_without(wanted).run_dir)
    pruned = [record for record in records if record.state == "pruned"]
    assert pruned
    assert {len(record.epochs) for record in pruned} <= {1, 2}
    assert all(record.value == record.epochs[-1]["val_accuracy"] for record in pruned)
    assert all(len(record.epochs) == 3 for record in records if record.state == "complete")


@pytest.mark.parametrize(("schedule", "told"), [("one-cycle", True), ("step", False)])
def test_a_search_says_where_trials_of_different_lengths_are_not_compared(
    tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str], schedule: str, told: bool
) -> None:
    wanted = experiment(
        search={"trials": 2, "pruner": "promote", "recipe_first": False},
        hyperparameters={"epochs": {"low": 1, "high": 2}, "schedule": schedule},
        confirm={"top": 0},
    )
    run_search(wanted, tmp_path / "run", Progress(), data=tiny_root, connect=without_ray())
    line = "trials of different epochs are not compared before their ends with schedule one-cycle, so that few are"
    assert (line in capsys.readouterr().out) == told


def test_nothing_searched_is_one_trial(go_without: Go) -> None:
    wanted = experiment(search={"trials": 1}, hyperparameters={"dropout1": 0.1}, confirm={"top": 0})
    outcome = go_without(wanted)
    assert [record.params for record in read_trials(outcome.run_dir)] == [{}]
    assert outcome.export


def test_non_finite_losses_fail(go_without: Go) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 10.0, "schedule": "constant"}
    outcome = go_without(experiment(search={"trials": 2}, hyperparameters=wild, confirm={"top": 0}))
    records = read_trials(outcome.run_dir)
    assert [record.state for record in records] == ["failed"] * 2
    assert "non-finite train_loss" in records[0].attributes["error"]
    assert outcome.export is None


def test_resolved_configuration_and_environment_are_kept(finished: Path) -> None:
    text = (finished / "experiment.toml").read_text()
    for line in ('dataset = "mnist"', "validation_images = 100", "concurrent_trials = 1", "learning_rate = 1.0"):
        assert line in text
    environment = json.loads((finished / "environment.json").read_text())
    assert {"torch", "ray", "optuna", "python"} <= set(environment["versions"])
