"""Whatever a person has set for matplotlib, the report is drawn as ever; and a report that fails hides nothing."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

import analysis.report
from analysis.report import write_report
from search.cli.ending import report
from search.progress import Progress
from tests.analysis.studies import Writer

ODD = "text.usetex: True\nfont.family: Nowhere\nfont.size: 40\nsavefig.dpi: 3\nbackend: Qt5Agg\nlines.linewidth: 9\n"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    space = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 3}
    writer = Writer(
        folder, {"search": {"trials": 3, "pruner": "none", "recipe_first": False}, "hyperparameters": space}
    )
    for accuracy in (0.9, 0.91, 0.92):
        writer.trial([accuracy - 0.02, accuracy - 0.01, accuracy])
    return folder


def test_settings_of_the_person_change_no_figure(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(ODD)
    settings = {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "HOME": "/proc/nowhere"}
    line = [sys.executable, "-m", "analysis", str(run_dir), "--out", str(tmp_path / "odd")]
    done = subprocess.run(line, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    plain = write_report([run_dir], tmp_path / "plain").parent
    figures = sorted(path.name for path in plain.glob("*.png"))
    assert figures
    for name in figures:
        assert (tmp_path / "odd" / name).read_bytes() == (plain / name).read_bytes(), name


def test_matplotlib_is_left_as_it_was(run_dir: Path, tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 3, "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        write_report([run_dir], tmp_path)
        assert dict(matplotlib.rcParams) == before


def test_a_backend_that_exists_stays_the_one_of_the_process() -> None:
    script = "import analysis.figures.canvas, matplotlib, os; print(matplotlib.get_backend(), os.environ['MPLBACKEND'])"
    env = {**os.environ, "MPLBACKEND": "svg"}
    said = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["svg", "svg"]


def test_a_backend_that_was_chosen_stays() -> None:
    script = "import matplotlib; matplotlib.use('pdf'); import analysis.figures.canvas; print(matplotlib.get_backend())"
    env = {**os.environ, "MPLBACKEND": "svg"}
    said = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["pdf"]


@pytest.mark.parametrize("how", ["import", "drawing"])
def test_a_report_that_fails_is_one_line(
    how: str, run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "import":
        monkeypatch.setitem(sys.modules, "analysis.report", None)
    else:
        monkeypatch.setattr(analysis.report, "pictures", lambda run: 1 / 0)
    report(run_dir, Progress())
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("no report: ")
    assert line.endswith(f"; try: python -m analysis {run_dir}")
