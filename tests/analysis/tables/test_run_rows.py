"""The run table says of each run what it searched, how far it came, what it took and what won."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import run_table
from model.errors import ConfigError
from model.hyperparameters import Hyperparameters
from search.store.study import PICKED
from tests.analysis.studies import NewRun

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "conv1_width": [16, 32], "epochs": 3}
BEST, OTHER = {"learning_rate": 0.5, "conv1_width": 16}, {"learning_rate": 0.6, "conv1_width": 32}


def test_a_row_holds_what_was_searched_what_it_took_and_what_won(new_run: NewRun) -> None:
    run = new_run(
        SPACE, trials=5, sampler="random", automatic={"precision": "bfloat16", "train_images": 5_000, "gpus": 2}
    )
    run.trial([0.9, 0.95, 0.97], params=BEST)
    run.trial([0.9, 0.94, 0.98], params=OTHER)
    run.trial([0.8], "pruned")
    run.trial([], "failed", error="boom")
    run.trial([0.7], "open")
    run.confirm(0, [0.975, 0.977], BEST)
    run.confirm(1, [0.972, 0.974], OTHER)
    run.recipe([0.965, 0.966], {})
    run.export(
        {"test_accuracy": 0.985, "test_images": 10_000, "test_scorings": 1, "test_ece": 0.004},
        {"source": {"candidate": 0}, "training_images": 59_000},
    )
    versions = {"python": "3.12.1", "torch": "2.15.0", "ray": "2.60.0", "optuna": "5.0.0"}
    told = {"versions": versions, "machine": {"cpus": 8}, "commit": "abc"}
    (run.run_dir / "environment.json").write_text(json.dumps(told))
    row = run_table(run.run_dir).iloc[0]
    assert (row["name"], row.path, row.state) == ("run", str(run.run_dir), "interrupted")
    counts = ["planned", "begun", "complete", "pruned", "failed", "paused", "running", "interrupted"]
    assert row[[f"num_{name}" for name in counts]].tolist() == [5, 5, 2, 1, 1, 0, 0, 1]
    assert (row.epochs_run, row.epochs_saved) == (8, 2)
    seconds = [row[name].total_seconds() for name in ("duration", "confirm_duration", "refit_duration", "clock")]
    assert seconds == [16, 12, 0, 16]
    assert row.started == pd.Timestamp("2025-11-24T16:00:00Z")
    assert abs(row.ended - pd.Timestamp.now("UTC")) < pd.Timedelta("5min")
    assert (row.dataset, row.train_images, row.validation_images) == ("mnist", 5_000, 10_000)
    assert (row.num_searched, row.sampler, row.pruner, row.precision, row.seed) == (2, "random", "none", "bfloat16", 0)
    assert (row.winner, row.num_seeds, row.num_pairs) == (0, 2, 2)
    assert row[["val_accuracy", "recipe_accuracy", "gain"]].tolist() == pytest.approx([0.976, 0.9655, 0.0105])
    # Two values 0.002 apart: 0.001 t(0.9875, 1), and for the gain 0.0005 t(0.9875, 1); t is 25.45
    assert row[["val_accuracy_low", "val_accuracy_high"]].tolist() == pytest.approx([0.976 - 0.02545, 1], abs=1e-5)
    assert row[["gain_low", "gain_high"]].tolist() == pytest.approx([0.0105 - 0.01273, 0.0105 + 0.01273], abs=1e-5)
    assert (row.test_accuracy, row.test_images, row.test_scorings, row.test_ece) == (0.985, 10_000, 1, 0.004)
    assert (row.temperature, row.exported_images) == (1.2, 59_000)
    assert (row.node, row.device, row.cpus, row.gpus) == ("here", "cpu", 8, 2)
    assert row[[*versions, "commit"]].tolist() == [*versions.values(), "abc"]
    narrow = run.experiment.space.fixed | BEST
    assert (row.num_parameters, row.milliseconds_per_image > 0) == (Hyperparameters(**narrow).num_parameters, True)


def test_what_is_not_known_is_missing(new_run: NewRun) -> None:
    run = new_run(None)
    (run.run_dir / "environment.json").unlink()
    row = run_table(run.run_dir).iloc[0]
    known = ["name", "path", "state", "num_planned", "num_begun", "epochs_run", "epochs_saved", "dataset", "seed"]
    assert row[known].tolist() == ["run", str(run.run_dir), "waiting", 1, 0, 0, 0, "mnist", 0]
    missing = ["started", "ended", "clock", "train_images", "winner", "num_parameters", "val_accuracy"]
    missing += ["num_seeds", "val_accuracy_low", "recipe_accuracy", "gain", "num_pairs", "test_accuracy", "temperature"]
    assert row[[*missing, "node", "device", "cpus", "gpus", "torch", "commit"]].isna().all()


def test_a_single_run_of_a_search_is_its_winners_accuracy_until_there_are_fresh_seeds(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.trial([0.9, 0.95, 0.97])
    row = run_table(run.run_dir).iloc[0]
    assert (row.winner, row.val_accuracy, row.num_seeds) == (0, 0.97, 0)


def test_the_interval_of_a_picked_trial_is_its_own(new_run: NewRun) -> None:
    run = new_run(SPACE)
    for point in (BEST, OTHER):
        run.trial([0.9, 0.95, 0.97], params=point)
    run.confirm(0, [0.97, 0.98], BEST)
    run.confirm(1, [0.96, 0.962], OTHER, stage=PICKED)
    run.export({}, {"source": {"candidate": 1, "picked": True}})
    row = run_table(run.run_dir).iloc[0]
    assert (row.winner, row.num_seeds, row.val_accuracy) == (1, 2, pytest.approx(0.961))
    assert row.val_accuracy_low == pytest.approx(0.961 - 0.0127062, abs=1e-6)  # 0.001 t(0.975, 1)


def test_runs_come_in_the_order_given(new_run: NewRun) -> None:
    names = ["b", "a", "c"]
    assert run_table(new_run(SPACE, name=name).run_dir for name in names).name.tolist() == names
    assert run_table([]).empty


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, new_run: NewRun) -> None:
    with pytest.raises(ConfigError, match=r"none: holds no study\.db"):
        run_table([new_run(SPACE).run_dir, tmp_path / "none"])
