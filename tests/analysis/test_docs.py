"""docs/tables.md documents the tables as they are, and its lines of pandas run."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.tables import CONFIRM_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS, Column
from model.hyperparameters import Hyperparameters

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
HYPERPARAMETERS = list(Hyperparameters.model_fields)


def documented(section: str) -> list[tuple[str, ...]]:
    """Return name, type, unit and meaning of each column that a section's table documents, in its order."""
    return re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", SECTIONS[section], re.M)


def as_rows(columns: dict[str, Column]) -> list[tuple[str, ...]]:
    return [(name, column.dtype, column.unit or "-", column.meaning) for name, column in columns.items()]


def test_every_column_of_a_trial_is_documented_unless_it_is_a_hyperparameter() -> None:
    columns = {**TRIAL_COLUMNS, **CONFIRM_COLUMNS}
    others = {name: column for name, column in columns.items() if name not in HYPERPARAMETERS}
    assert documented("The trial table") == as_rows(others)


def test_every_column_of_an_epoch_is_documented() -> None:
    assert documented("The epoch table") == as_rows(EPOCH_COLUMNS)


def test_the_hyperparameter_columns_are_the_fields_of_the_model_where_the_page_has_their_row() -> None:
    columns = {name: column for name, column in TRIAL_COLUMNS.items() if column.meaning.startswith("hyperparameter: ")}
    assert list(columns) == HYPERPARAMETERS
    before, row, after = SECTIONS["The trial table"].partition("\n| *one per hyperparameter* | ")
    assert row
    place = len(re.findall(r"^\| `", before, re.M))
    assert list(TRIAL_COLUMNS)[place : place + len(columns)] == HYPERPARAMETERS
    dtypes = after.partition(" | ")[0]
    assert all(column.dtype in dtypes for column in columns.values())


def test_the_lines_of_pandas_run(halving_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, *lines = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(lines) == 5
    shutil.copytree(halving_run, tmp_path / "runs" / "quick")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(setup, names)
    leaders, kernels, foretold, front, time = (eval(line, names) for line in lines)
    trials = names["trials"]
    assert leaders.val_accuracy.iloc[0] == trials.val_accuracy.max()
    assert kernels["count"].sum() == trials.val_accuracy.notna().sum()
    assert foretold.index.tolist() == list(range(1, 10))
    assert foretold[9] == pytest.approx(1)
    assert front.val_accuracy.is_monotonic_increasing
    assert front.val_accuracy.iloc[-1] == trials.val_accuracy.max()
    assert time.sum() == pytest.approx(1)
