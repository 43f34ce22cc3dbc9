"""docs/tables.md documents the tables as they are, and its lines of pandas run, as do those of README."""

import ast
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.tables import CONFIRM_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS, Column, trial_table
from analysis.tables.run_rows import RUN_COLUMNS
from model.hyperparameters import Hyperparameters

ROOT = Path(__file__).parents[2]
PAGE, README = ROOT / "docs" / "tables.md", ROOT / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
HYPERPARAMETERS = list(Hyperparameters.model_fields)


def documented(section: str) -> list[tuple[str, ...]]:
    """Return name, type, unit and meaning of each column that a section's table documents, in its order."""
    return re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", SECTIONS[section], re.M)


def as_rows(columns: dict[str, Column]) -> list[tuple[str, ...]]:
    return [(name, str(column.dtype), column.unit or "-", column.meaning) for name, column in columns.items()]


def test_every_column_of_a_trial_is_documented_unless_it_is_a_hyperparameter() -> None:
    columns = {**TRIAL_COLUMNS, **CONFIRM_COLUMNS}
    others = {name: column for name, column in columns.items() if name not in HYPERPARAMETERS}
    assert documented("The trial table") == as_rows(others)


def test_every_column_of_an_epoch_is_documented() -> None:
    assert documented("The epoch table") == as_rows(EPOCH_COLUMNS)


def test_every_column_of_a_run_is_documented() -> None:
    assert documented("The run table") == as_rows(RUN_COLUMNS)


def test_the_hyperparameter_columns_are_the_fields_of_the_model_where_the_page_has_their_row() -> None:
    columns = {name: column for name, column in TRIAL_COLUMNS.items() if column.meaning.startswith("hyperparameter: ")}
    assert list(columns) == HYPERPARAMETERS
    before, row, after = SECTIONS["The trial table"].partition("\n| *one per hyperparameter* | ")
    assert row
    place = len(re.findall(r"^\| `", before, re.M))
    assert list(TRIAL_COLUMNS)[place : place + len(columns)] == HYPERPARAMETERS
    dtypes = after.partition(" | ")[0]
    assert all(str(column.dtype) in dtypes for column in columns.values())


def code_of(page: Path) -> tuple[str, list[str]]:
    """Return the statements of a page's Python, which set names, and its expressions, which are the questions."""
    setup, questions = [], []
    for statement in ast.parse("\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))).body:
        (questions if isinstance(statement, ast.Expr) else setup).append(ast.unparse(statement))
    return "\n".join(setup), questions


def answer(questions: list[str], word: str, names: dict[str, Any]) -> Any:
    """Return the answer to the one question that has `word` in it."""
    [question] = [question for question in questions if word in question]
    return eval(question, names)


@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_the_lines_of_pandas_run(
    halving_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    setup, questions = code_of(page)
    assert len(questions) == {PAGE: 6, README: 5}[page]
    shutil.copytree(halving_run, tmp_path / "runs" / "quick")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(setup, names)
    trials, epochs = names["trials"], names["epochs"]
    assert answer(questions, "nlargest", names).val_accuracy.iloc[0] == trials.val_accuracy.max()
    assert answer(questions, "kernel_size", names)["count"].sum() == (epochs.epoch == 1).sum()
    foretold = answer(questions, "spearman", names)
    second = epochs[epochs.epoch == 2].merge(epochs[epochs.epoch == 1], on="number")
    ranks = second[["val_accuracy_x", "val_accuracy_y"]].rank()
    assert foretold.loc[1, 2] == pytest.approx(ranks.corr().iloc[0, 1])  # of all trials that reached epoch 2
    assert answer(questions, "duration", names).sum() == pytest.approx(1)
    if page == PAGE:
        assert answer(questions, "gain_low", names).empty  # it was compared with no recipe


@pytest.mark.parametrize("page", [PAGE, README], ids=lambda page: page.name)
def test_the_pareto_front_holds_no_network_that_another_of_equal_size_or_less_beats(page: Path) -> None:
    sizes, accuracies = [200, 100, 100, 300, 200, 400], [0.97, 0.95, 0.96, 0.97, 0.98, 0.99]
    complete = pd.DataFrame({"num_parameters": sizes, "val_accuracy": accuracies})
    front = answer(code_of(page)[1], "cummax", {"complete": complete})
    assert front.to_dict() == {100: 0.96, 200: 0.98, 400: 0.99}


def test_tables_go_to_other_programs_and_come_back(
    halving_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trials = trial_table(halving_run)
    names: dict[str, Any] = {"pd": pd, "trials": trials}
    [lines] = re.findall(r"```py\n(.*?)```", TEXT, re.S)
    exec(lines, names)
    pd.testing.assert_frame_equal(names["same"], trials)
    pd.testing.assert_frame_equal(names["same_too"], trials)
    sheet = pd.read_excel("trials.xlsx")
    assert list(sheet.columns) == list(trials.columns)
    pd.testing.assert_series_equal(sheet.val_accuracy, trials.val_accuracy, check_exact=True)
    pd.testing.assert_series_equal(sheet.duration, trials.duration.dt.total_seconds(), check_dtype=False)
    started = trials.started.dt.tz_localize(None)
    assert (sheet.started - started).abs().max() < pd.Timedelta(milliseconds=2)  # as exact as a cell is


def test_the_figures_of_the_report_are_drawn_as_its_page_says(
    halving_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "report.md").read_text(encoding="utf-8"), re.S)
    (tmp_path / "runs").mkdir()
    shutil.copytree(halving_run, tmp_path / "runs" / "quick")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    exec(lines, {})
    assert "<svg" in (tmp_path / "own.svg").read_text(encoding="utf-8")
