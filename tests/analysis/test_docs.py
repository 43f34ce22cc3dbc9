"""docs/tables.md says what the tables hold, and its lines of pandas run."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.tables import CONFIRM_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS, Column

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_every_column_is_documented_with_its_type_and_unit_and_no_other() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert documented(sections["The trial table"]) == as_rows({**TRIAL_COLUMNS, **CONFIRM_COLUMNS})
    assert documented(sections["The epoch table"]) == as_rows(EPOCH_COLUMNS)


def documented(section: str) -> list[tuple[str, ...]]:
    return re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", section, re.M)


def as_rows(columns: dict[str, Column]) -> list[tuple[str, ...]]:
    return [(name, column.dtype, column.unit or "-", column.meaning) for name, column in columns.items()]


def test_the_lines_of_pandas_run(halving_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, *lines = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
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
