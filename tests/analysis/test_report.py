"""A report is written of any run and of several, holds the numbers of the tables, and fails in one line."""

import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.__main__ import app
from analysis.report import write_report
from analysis.tables import EPOCH_COLUMNS, TRIAL_COLUMNS, Column, epoch_table, trial_table
from analysis.tables.run import read_run
from search.store.lock import run_lock
from tests.analysis.pages import Page
from tests.analysis.studies import NewRun, Writer

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "pool": ["late", "early"], "epochs": 3}


@pytest.fixture(scope="module")
def report(halving_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([halving_run], tmp_path_factory.mktemp("report"))


def read_back(path: Path, columns: dict[str, Column]) -> pd.DataFrame:
    """Return the table in a CSV file, with the dtypes of `columns`."""
    return pd.read_csv(path).astype({name: column.dtype for name, column in columns.items()})


def test_the_csv_files_hold_the_tables_to_the_last_digit(report: Path, halving_run: Path) -> None:
    pd.testing.assert_frame_equal(read_back(report.parent / "trials.csv", TRIAL_COLUMNS), trial_table(halving_run))
    pd.testing.assert_frame_equal(read_back(report.parent / "epochs.csv", EPOCH_COLUMNS), epoch_table(halving_run))


def test_the_folder_holds_every_figure_and_nothing_half_written(report: Path) -> None:
    names = ["accuracy_curves", "best_so_far", "confirmation", "curves_by_value", "hyperparameters"]
    names += ["importance", "losses", "pareto", "calibration", "parallel_coordinates", "timeline"]
    figures = {f"{name}.{form}" for name in names for form in ("png", "svg")}
    expected = figures | {"index.html", "trials.csv", "epochs.csv"}
    assert {path.name for path in report.parent.iterdir()} == expected
    assert all((report.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert all("<svg" in (report.parent / f"{name}.svg").read_text(encoding="utf-8") for name in names)


def _empty(run: Writer) -> None:
    pass


def _one(run: Writer) -> None:
    run.trial([0.9, 0.95, 0.97])


def _all_failed(run: Writer) -> None:
    run.trial([], "failed", error="<script>alert('boom')</script>")
    run.trial([float("nan")], "failed", error="loss nan")


def _interrupted(run: Writer) -> None:
    run.trial([0.9, 0.95], "open")
    run.trial([], "open")


def _perfect(run: Writer) -> None:
    run.trial([1.0, 1.0, 1.0])
    run.trial([0.0, 1.0, 1.0])


def test_true_and_false_are_values_like_any_other(new_run: NewRun) -> None:
    run = new_run({"batch_norm": [True, False], "dropout1": {"low": 0.0, "high": 0.5}, "epochs": 2})
    for number in range(16):
        normed = number % 3 > 0
        run.trial([0.9, 0.95 + 0.02 * normed + number / 1000], params={"batch_norm": normed, "dropout1": number / 40})
    run.trial([0.5], "open", params={"batch_norm": True, "dropout1": 0.5})
    run.trial([], "failed", params={"batch_norm": False, "dropout1": 0.5})
    report = write_report([run.run_dir])
    table = trial_table(run.run_dir)
    assert table.batch_norm.dtype == "boolean"
    assert table.batch_norm.sum() == 11
    pd.testing.assert_frame_equal(read_back(report.parent / "trials.csv", TRIAL_COLUMNS), table)
    text = report.read_text()
    assert "batch_norm = True, dropout1 = 0.35" in text
    assert "what sets the best" in text  # their importance
    assert '"ticks":[[0.25,"False"],[0.75,"True"]]' in text  # and their axis in the charts


@pytest.mark.parametrize("fill", [_empty, _one, _all_failed, _interrupted, _perfect])
@pytest.mark.parametrize("hyperparameters", [SPACE, None], ids=["searched", "nothing searched"])
def test_a_report_is_written_of_any_run(
    new_run: NewRun, hyperparameters: dict[str, Any] | None, fill: Callable[[Writer], None]
) -> None:
    run = new_run(hyperparameters)
    fill(run)
    index = write_report([run.run_dir])
    assert index == run.run_dir / "report" / "index.html"
    page = Page(index)
    assert page.text.count("planned trial") == 1
    assert "<script>alert" not in index.read_text(encoding="utf-8")
    assert len(pd.read_csv(index.parent / "trials.csv")) == len(read_run(run.run_dir).trials)


def test_a_second_report_replaces_the_first(new_run: NewRun) -> None:
    run = new_run(SPACE)
    write_report([run.run_dir])
    run.trial([0.9, 0.95, 0.97])
    index = write_report([run.run_dir])
    assert "trial 0 reaches 97.00 %" in Page(index).text
    assert len(pd.read_csv(index.parent / "trials.csv")) == 1


def test_a_report_is_written_while_a_search_writes(new_run: NewRun) -> None:
    run = new_run(SPACE)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            run.trial([0.9, 0.95, 0.97])

    writer = threading.Thread(target=write)
    with run_lock(run.run_dir):
        writer.start()
        try:
            assert "The search is running" in Page(write_report([run.run_dir])).text
        finally:
            stop.set()
            writer.join()
    assert trial_table(run.run_dir).state.eq("complete").all()


def test_an_open_transaction_of_the_search_does_not_delay_the_tables(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.trial([0.9, 0.95, 0.97])
    connection = sqlite3.connect(run.run_dir / "study.db")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM trials")
    try:
        assert len(trial_table(run.run_dir)) == 1
    finally:
        connection.rollback()
        connection.close()


def test_several_runs_are_compared_in_one_report(new_run: NewRun, halving_run: Path, tmp_path: Path) -> None:
    other = new_run(SPACE, name="other")
    other.trial([0.9, 0.95, 0.97])
    copy = tmp_path / "elsewhere" / "other"
    shutil.copytree(other.run_dir, copy)
    taken = new_run(SPACE, name="other-2")  # the name that the copy would have been given
    index = write_report([other.run_dir, halving_run, copy, other.run_dir, taken.run_dir])
    assert index == other.run_dir / "report" / "index.html"
    page = Page(index)
    assert "4 runs compared" in page.text
    assert page.tags.count("article") == 4
    trials = pd.read_csv(index.parent / "trials.csv")
    assert list(trials.columns) == ["run", *TRIAL_COLUMNS]
    assert trials.groupby("run").size().to_dict() == {"other": 1, "halving": 60, "other-3": 1}
    assert list(pd.read_csv(index.parent / "epochs.csv").columns) == ["run", *EPOCH_COLUMNS]
    assert {"comparison.png", "halving-losses.png", "other-2-losses.png", "other-3-losses.png"} <= {
        path.name for path in index.parent.iterdir()
    }


def test_the_command_prints_where_the_page_is(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run(None)
    result = CliRunner().invoke(app, [str(run.run_dir), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'out' / 'index.html'}\n"


def test_the_command_refuses_a_folder_that_is_no_run_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "none")])
    assert result.exit_code == 2
    assert re.fullmatch(r"error: .*/none: holds no study\.db, so it is not a run; name a folder .*\n", result.stderr)


def test_the_command_says_in_one_line_that_it_cannot_write(new_run: NewRun, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, [str(new_run(None).run_dir), "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "file" in result.stderr


def test_a_study_of_one_factor_at_a_time_has_one_figure_per_factor(new_run: NewRun) -> None:
    run = new_run({"kernel_size": [3, 5, 7], "dropout1": {"low": 0.0, "high": 0.5}, "epochs": 3})
    points = [(3, 0.25), (5, 0.25), (7, 0.25), (3, 0.5)]
    for kernel_size, dropout1 in points:
        params = {"kernel_size": kernel_size, "dropout1": dropout1}
        run.trial([0.9, 0.95, 0.96 + kernel_size / 1000 - dropout1 / 100], params=params)
    report = write_report([run.run_dir]).parent
    factors = sorted(path.stem for path in report.glob("*.png") if path.stem.startswith("factor_"))
    assert factors == ["factor_dropout1", "factor_kernel_size"]
    assert not (report / "curves_by_value.png").exists()
    assert "kernel_size alone: all else is as in trial 0." in (report / "index.html").read_text()
