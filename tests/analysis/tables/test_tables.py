"""The tables hold every trial in every state, with the same columns and dtypes whether empty or full."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import CONFIRM_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS, epoch_table, run_table, trial_table
from analysis.tables.run_rows import RUN_COLUMNS
from analysis.tables.trial_rows import trials_of
from model.errors import ConfigError
from model.hyperparameters import RECIPE
from search.store.lock import run_lock
from search.store.records import TrialRecord
from search.store.study import CONFIRM
from tests.analysis.studies import NewRun

POINT = {"learning_rate": 0.5, "kernel_size": 3}
SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "kernel_size": [3, 5], "epochs": 3}


def test_one_row_per_trial_that_has_begun_with_its_state(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.trial([0.9, 0.95, 0.97])
    run.trial([0.8], "pruned")
    run.trial([], "failed", error="ValueError: no\nmore")
    run.trial([0.7], "open")
    run.study.enqueue(POINT)
    table = trial_table(run.run_dir)
    assert table.number.tolist() == [0, 1, 2, 3]
    assert table.state.tolist() == ["complete", "pruned", "failed", "interrupted"]
    assert table.index.tolist() == [0, 1, 2, 3]
    with run_lock(run.run_dir):
        assert trial_table(run.run_dir).state.tolist()[3] == "running"


def test_values_come_from_the_last_epoch_or_are_sums_or_medians_over_the_epochs(new_run: NewRun) -> None:
    run = new_run(SPACE)
    number = run.begin(POINT)
    run.epoch(number, 0.9, seconds=2.0, images_per_second=100.0)
    run.epoch(number, 0.96, seconds=3.0, images_per_second=400.0)
    run.epoch(number, 0.94, seconds=4.5, images_per_second=300.0, val_loss=0.25)
    run.study.set_attributes(number, gpu=["2", "3"], device="H200", retries=1, damaged="torn")
    run.end(number, "complete")
    row = trial_table(run.run_dir).iloc[0]
    assert (row.val_accuracy, row.val_loss, row.train_loss) == (0.94, 0.25, pytest.approx(0.1))
    assert (row.epochs_run, row.images_per_second) == (3, 300.0)
    assert (row.duration, row.clock) == (pd.Timedelta(seconds=9.5), pd.Timedelta(seconds=6))
    assert (row.learning_rate, row.kernel_size, row.epochs, row.batch_size) == (0.5, 3, 3, RECIPE.batch_size)
    assert (row.gpu, row.device, row.node, row.seed, row.num_parameters) == (
        "2,3", "H200", "here", 17, RECIPE.num_parameters,
    )  # fmt: skip
    assert (row.retries, row.damaged) == (1, "torn")
    assert row.started == pd.Timestamp("2025-11-24T16:00:00Z")
    assert abs(row.ended - pd.Timestamp.now("UTC")) < pd.Timedelta("5min")
    assert pd.isna(row.error)


def test_unknown_values_are_missing_instead_of_having_a_default(new_run: NewRun) -> None:
    run = new_run(SPACE)
    record = TrialRecord(0, "interrupted", None, {}, [], {"started": 1.0})
    row = trials_of([record], run.experiment).iloc[0]
    assert pd.isna(row.learning_rate)
    assert pd.isna(row.kernel_size)
    for name in (
        "val_accuracy",
        "clock",
        "ended",
        "seed",
        "gpu",
        "damaged",
        "error",
        "num_parameters",
        "milliseconds_per_image",
    ):
        assert pd.isna(row[name])
    assert (row.epochs_run, row.duration, row.retries, row.epochs) == (0, pd.Timedelta(0), 0, 3)


def test_confirmation_runs_name_candidate_and_run(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.confirm(4, [0.98, 0.99], POINT)
    run.confirm(7, [0.97], POINT)
    table = trial_table(run.run_dir, CONFIRM)
    assert table[["candidate", "run", "val_accuracy"]].to_numpy().tolist() == [[4, 1, 0.98], [4, 2, 0.99], [7, 1, 0.97]]
    assert trial_table(run.run_dir).empty


def test_runs_of_the_recipe_have_no_candidate_and_the_hyperparameters_of_the_recipe(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.recipe([0.98], {"pool": "early"})
    (row,) = trial_table(run.run_dir, CONFIRM).to_dict("records")
    assert (pd.isna(row["candidate"]), row["run"]) == (True, 1)
    expected = {**RECIPE.model_dump(), "pool": "early"}
    assert {name: row[name] for name in expected} == expected


def test_one_row_per_trial_and_epoch(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.trial([0.9, 0.95], "pruned")
    run.trial([], "failed", error="x")
    run.trial([0.8], "open")
    table = epoch_table(run.run_dir)
    assert table[["number", "epoch", "val_accuracy"]].to_numpy().tolist() == [[0, 1, 0.9], [0, 2, 0.95], [2, 1, 0.8]]
    assert table.state.tolist() == ["pruned", "pruned", "interrupted"]
    assert table.clock.dt.total_seconds().tolist() == [2.0, 4.0, 6.0]


def tables(run_dir: Path) -> list[pd.DataFrame]:
    return [trial_table(run_dir), trial_table(run_dir, CONFIRM), epoch_table(run_dir), run_table(run_dir)]


def test_columns_and_dtypes_are_as_declared_of_an_empty_a_live_a_dead_and_a_finished_run(
    new_run: NewRun, halving_run: Path
) -> None:
    dead = new_run(SPACE, name="dead")
    dead.trial([0.9], "open")
    live = new_run(SPACE, name="live")
    live.trial([0.9], "open")
    with run_lock(live.run_dir):
        found = [tables(run_dir) for run_dir in (new_run(SPACE).run_dir, live.run_dir, dead.run_dir, halving_run)]
    assert [each[-1].state.item() for each in found] == ["waiting", "running", "interrupted", "finished"]
    declared = [TRIAL_COLUMNS, {**TRIAL_COLUMNS, **CONFIRM_COLUMNS}, EPOCH_COLUMNS, RUN_COLUMNS]
    for columns, of_runs in zip(declared, zip(*found, strict=True), strict=True):
        expected = pd.DataFrame({name: pd.Series(dtype=column.dtype) for name, column in columns.items()})
        for table in (*of_runs, pd.concat(of_runs)):
            pd.testing.assert_frame_equal(table.head(0), expected, check_index_type=False)


def test_parquet_keeps_every_value_and_type(halving_run: Path, tmp_path: Path) -> None:
    for table in tables(halving_run):
        table.to_parquet(tmp_path / "table.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)


def test_every_hyperparameter_is_a_column_with_its_plain_name() -> None:
    assert set(RECIPE.model_dump()) <= set(TRIAL_COLUMNS)
    assert all(column.meaning for column in [*TRIAL_COLUMNS.values(), *EPOCH_COLUMNS.values()])


def test_a_folder_that_is_not_a_run_is_refused_in_one_line(tmp_path: Path, new_run: NewRun) -> None:
    with pytest.raises(ConfigError, match=r"holds no study\.db, so it is not a run; name a folder such as") as caught:
        trial_table(str(tmp_path))
    assert "\n" not in str(caught.value)
    run = new_run(SPACE)
    (run.run_dir / "experiment.toml").unlink()
    with pytest.raises(ConfigError, match=r"holds no experiment\.toml"):
        trial_table(run.run_dir)
