"""The commands as a person types them: errors in one line, Ctrl-C, the offline fallback."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.on_ray import cluster
from search.store.records import read_trials
from tests.harness import ROOT, command, environment, tiny, until


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working directory with a small configuration."""
    (tmp_path / "tiny.toml").write_text(tiny(trials=2, epochs=2))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.toml"], "none.toml: no such file"),
        (["tiny.toml", "--trials", "0"], "--trials 0"),
        (["tiny.toml", "--name", "../up"], "--name ../up"),
        (["tiny.toml", "--address", "nowhere"], "--address nowhere: must be HOST:PORT"),
        (["tiny.toml", "--address", "ray://1.2.3.4:1"], "use HOST:PORT"),
        (["tiny.toml", "--out", "tiny.toml"], "tiny.toml"),
        (["greedy.toml"], "greedy.toml: resources.cpus_per_trial = 9999: only "),
        (["bad.toml"], "bad.toml: hyperparameters.learning_rat = 1: no such hyperparameter"),
        (["tiny.toml", "--name", "taken"], "choose another --name"),
        (["tiny.toml", "--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no Ray cluster answers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_end_in_one_line(here: Path, tiny_root: Path, words: list[str], said: str) -> None:
    (here / "bad.toml").write_text("[search]\ntrials = 2\n[hyperparameters]\nlearning_rat = 1\n")
    (here / "greedy.toml").write_text(tiny(trials=2, epochs=2) + "[resources]\ncpus_per_trial = 9999\n")
    (here / "runs" / "taken").mkdir(parents=True)
    (here / "runs" / "taken" / "notes.txt").write_text("mine")
    done = command(here, *words, "--data", str(tiny_root))
    assert done.returncode == 2
    assert done.stdout.count("\n") <= 1  # what the search is to be
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not any((here / "runs").glob("*/study.db"))


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            RuntimeError("Failed to start GCS.\nLast lines of its log: ..."),
            "the machine may be too busy: type the same",
        ),
        (TimeoutError("timed out"), "the machine may be too busy: type the same command again, with --resume"),
        (
            ValueError("object_store_memory must be at least 75 MB" + "." * 300),
            "correct that, then go on with --resume",
        ),
        (PermissionError(13, "Permission denied", "/tmp/ds-x"), "see to the permissions of /tmp"),
    ],
)
def test_a_ray_that_does_not_start_ends_in_one_line(
    error: Exception, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(*_: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setenv("TMPDIR", "/tmp")
    reason = " ".join(str(error).split())  # whole, on one line
    failed = re.escape(f"Ray did not start ({reason}); {remedy}")
    with pytest.raises(ConfigError, match=failed), cluster.connected(None, on_gone=print):
        pass
    assert os.environ["TMPDIR"] == "/tmp"


def test_confirm_needs_a_run(here: Path) -> None:
    done = command(here, "confirm", ".")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "so it is not a run" in done.stderr


def test_ctrl_c_once_then_resume(here: Path, tiny_root: Path) -> None:
    (here / "long.toml").write_text(tiny(trials=3, epochs=100))
    line = [sys.executable, "-m", "search", "long.toml", "--data", str(tiny_root)]
    process = subprocess.Popen(
        line, cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    run_dir = here / "runs" / "long"
    until(lambda: (run_dir / "study.db").exists() and any(len(trial.epochs) > 2 for trial in read_trials(run_dir)))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"go on with: python -m search long.toml --data {tiny_root} --resume" in out
    assert err.startswith("stopping: no new trials")
    assert err.count("\n") == 1
    assert (run_dir / "report" / "index.html").exists()
    before = read_trials(run_dir)
    assert {trial.state for trial in before} <= {"complete", "interrupted"}
    assert "interrupted" in {trial.state for trial in before}
    done = command(here, "long.toml", "--resume", "--data", str(tiny_root))
    assert done.returncode == 0, done.stderr
    assert "trials kept" in done.stdout
    after = read_trials(run_dir)
    assert [trial.number for trial in after] == list(range(3))
    assert {trial.state for trial in after} == {"complete"}
    assert [trial.params for trial in after[: len(before)]] == [trial.params for trial in before]
    assert done.stderr == ""


def test_output_is_plain_lines_and_says_where_everything_is(here: Path, tiny_root: Path) -> None:
    done = command(here, "tiny.toml", "--data", str(tiny_root))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "2 trials, 1 hyperparameter searched"
    assert "no GPU: training on the CPU" in lines[1]
    assert sum("  complete  " in line for line in lines) == 2
    assert lines[-5].endswith("runs/tiny/report/index.html")
    assert lines[-4].startswith("winner    trial ")
    assert lines[-3].startswith("cost      2 trials, ")
    assert "\x1b" not in done.stdout
    again = command(here, "tiny.toml", "--data", str(tiny_root), "--resume", "--json")
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert events[0] == {"line": "2 trials, 1 hyperparameter searched"}
    ended = {"stopped": None, "export": "runs/tiny/export", "failures": None, "learned": True}
    assert {"outcome": ended} in events
    picture = here / "seven.png"
    from PIL import Image, ImageDraw

    image = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(image).line([(20, 20), (80, 20), (40, 90)], width=8)
    image.save(picture)
    classified = command(here, str(picture), "--model", lines[-1].rpartition(" ")[2], "--json", module="classify_image")
    answer = json.loads(classified.stdout)[0]
    assert answer["error"] is None or "no digit found" in answer["error"]  # it has learned bars in a second


def test_offline_fallback_is_told_everywhere(here: Path) -> None:
    text = tiny(trials=1, epochs=1).replace("[data]\n", '[data]\nfallback = "uci-digits"\n')
    (here / "offline.toml").write_text(text)
    unreachable = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = command(here, "offline.toml", "--data", str(here / "empty"), "--quiet", **unreachable)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 6  # the note, and what it was worth and where everything is
    run_dir = here / "runs" / "offline"
    card = json.loads((run_dir / "export" / "model.json").read_text())
    told = (done.stdout, card["provenance"]["note"], (run_dir / "report" / "index.html").read_text())
    assert all("real 8x8 digits (uci-digits) stand in" in text.replace("&#x27;", "'") for text in told)
    assert 'dataset = "uci-digits"' in (run_dir / "experiment.toml").read_text()
    refused = command(here, "tiny.toml", "--data", str(here / "empty"), **unreachable)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert str(here / "empty") in refused.stderr
    assert "--data DIR or DIGIT_SEARCH_DATA" in refused.stderr


# A supervisor's SIGTERM as the network is exported, say, when no stage runs that would end tidily.
BETWEEN_STAGES = """
import contextlib, os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be under nohup
import search.on_ray.door, search.run
from model import interruptions
from search.cli import app
def searched(*_, **__):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    while True:
        interruptions.check()
search.run.run_search = searched
search.on_ray.door.ray_begun = lambda *_: contextlib.nullcontext()
app(["run", "quick.toml"])
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_outside_a_stage_ends_the_command_with_a_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "quick.toml").write_bytes((ROOT / "configs" / "quick.toml").read_bytes())
    line = [sys.executable, "-c", BETWEEN_STAGES, name]
    done = subprocess.run(
        line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 130, done.stderr
    assert done.stdout.splitlines()[-1].startswith("interrupted; go on with: ")
    assert done.stderr.splitlines() == ["stopped at once"]
