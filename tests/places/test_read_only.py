"""A run in a folder that its reader may not write: tables and report are made of it all the same."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import trial_table
from tests.analysis.studies import Writer
from tests.permissions import obey_permissions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    """A run whose last trial is in the log (WAL) alone, as after a kill; it is never closed."""
    folder = tmp_path / "runs" / "run"
    search = {"trials": 2, "pruner": "none", "recipe_first": False}
    writer = Writer(folder, {"search": search, "hyperparameters": {"dropout1": {"low": 0.1, "high": 0.3}}})
    writer.trial([0.9, 0.91])
    writer.trial([0.9, 0.92])
    yield folder
    writer.storage.close()


def read_only(run_dir: Path, name: str, files: list[str]) -> Path:
    """Return a copy of a run that holds these files of its database, in a folder without the right to write."""
    copy = run_dir.with_name(name)
    copy.mkdir()
    for file in ["experiment.toml", "environment.json", *files]:
        shutil.copyfile(run_dir / file, copy / file)
        (copy / file).chmod(0o444)
    copy.chmod(0o555)
    return copy


def unprivileged(*words: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, *words]
    return subprocess.run(line, env=env, preexec_fn=obey_permissions, capture_output=True, text=True, check=False)


def test_tables_and_report_need_no_right_to_write(run_dir: Path, tmp_path: Path) -> None:
    expected = trial_table(run_dir)
    with_log = read_only(run_dir, "with log", ["study.db", "study.db-wal"])
    with_index = read_only(run_dir, "with index", ["study.db", "study.db-wal", "study.db-shm"])
    with closing(sqlite3.connect(run_dir / "study.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    closed = read_only(run_dir, "closed", ["study.db"])
    assert expected.state.tolist() == ["complete", "complete"]
    script = "import sys; from analysis.tables import trial_table\nfor run in sys.argv[1:]: "
    script += "trial_table(run).to_pickle(f'{run}.pickle')"
    folders = [with_log, with_index, closed]
    done = unprivileged("-c", script, *map(str, folders))
    assert done.returncode == 0, done.stderr
    for folder in folders:
        pd.testing.assert_frame_equal(pd.read_pickle(f"{folder}.pickle"), expected)
    files = {folder: sorted(path.name for path in folder.iterdir()) for folder in folders}
    done = unprivileged("-m", "analysis", *map(str, folders), "--out", str(tmp_path / "report"))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(tmp_path / "report" / "index.html"), "")
    assert {folder: sorted(path.name for path in folder.iterdir()) for folder in folders} == files


def test_a_report_that_has_no_place_says_how_to_name_one(run_dir: Path) -> None:
    closed = read_only(run_dir, "closed", ["study.db", "study.db-wal"])
    done = unprivileged("-m", "analysis", str(closed))
    error = f"error: {closed / 'report'}: Permission denied; name another folder with --out"
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (2, "", [error])
