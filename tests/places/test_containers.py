"""Containers: a user whom the machine does not know, without a home folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from model.source import data_root
from tests.harness import ROOT, records, tiny

# Python imports a module of this name before anything else.
UNKNOWN_USER = """
import pwd
def unknown(*_): raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = pwd.getpwnam = unknown
"""


def test_a_search_report_and_answer_without_a_home_folder(tiny_root: Path, tmp_path: Path) -> None:
    (tmp_path / "unknown").mkdir()
    (tmp_path / "unknown" / "sitecustomize.py").write_text(UNKNOWN_USER)
    (tmp_path / "tiny.toml").write_text(tiny(trials=1, epochs=2).replace("dropout1 = { low = 0.0, high = 0.3 }", ""))
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path / 'unknown'}:{ROOT}"}
    picture = str(ROOT / "docs" / "images" / "quick_accuracy_curves.png")
    for words, codes in (
        (["search", "tiny.toml", "--data", str(tiny_root)], {0}),
        (["analysis", "runs/tiny"], {0}),
        (["classify_image", picture, "--model", "runs/tiny"], {0, 1}),
    ):
        line = [sys.executable, "-m", *words]
        done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode in codes, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert [record.state for record in records(tmp_path / "runs" / "tiny")] == ["complete"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "tiny.toml", "unknown"]


def test_without_a_home_folder_data_lie_in_the_working_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(*_: object) -> None:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("DIGIT_SEARCH_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", unknown)
    monkeypatch.chdir(tmp_path)
    assert data_root() == tmp_path / "data"
