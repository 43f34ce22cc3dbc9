"""Where a search is started: among the user's own files, on borrowed CPUs, with odd variables, into a closed pipe."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import write_report
from analysis.tables import trial_table
from model.errors import ConfigError
from model.source import data_root
from search.on_ray import cluster
from search.progress import Output
from tests.harness import ROOT, command, environment, records, tiny
from tests.searches import Go, experiment

TRAP = "raise SystemExit('a file of the user was imported in place of ours')\n"
# As the installed commands start: their first place for imports is their own folder.
SCRIPT = "import sys; sys.path[0] = {place!r}; from {module} import main; main()"
# Python imports a module of this name before anything else.
UNKNOWN_USER = """
import pwd
def unknown(*_): raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = pwd.getpwnam = unknown
"""
# As `docker run --read-only --tmpfs /tmp`: the first process of its own, a small /dev/shm, no other place to write to.
CONTAINER = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec"]
MOUNTS = (
    'mount --bind /tmp /tmp; mount -t tmpfs -o size=64m none /dev/shm; mount -o remount,bind,ro /; cd $PWD; exec "$@"'
)


def container() -> list[str]:
    """Return how a command begins that runs in a container; nothing where this user may make none."""
    line = [*CONTAINER, MOUNTS, "sh"]
    may = shutil.which("unshare") and subprocess.run([*line, "true"], capture_output=True, check=False).returncode == 0
    return line if may else []


def set_traps(here: Path) -> None:
    """Write modules of the user's that are named as packages of ours are."""
    for name in ("model", "analysis", "torch", "ray"):
        (here / f"{name}.py").write_text(TRAP)


def as_cron_job(first: Path, here: Path, module: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command where there is next to nothing: no passwd entry, home, terminal, language or stdin.

    `first` is the folder from which Python imports first. Of the CPUs one is allotted, and of the GPUs none; new files
    are closed to others.
    """
    (first / "sitecustomize.py").write_text(UNKNOWN_USER)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{first}:{ROOT}", "CUDA_VISIBLE_DEVICES": "-1", "COLUMNS": "20"}
    one = min(os.sched_getaffinity(0))

    def become_a_job() -> None:
        os.sched_setaffinity(0, {one})
        os.umask(0o077)
        os.close(0)

    line = [*container(), sys.executable, "-c", SCRIPT.format(place=str(first), module=module), *words]
    return subprocess.run(line, cwd=here, env=env, preexec_fn=become_a_job, capture_output=True, text=True, timeout=300)


def test_a_cron_job_in_a_container_among_files_named_as_ours(tiny_root: Path, tmp_path: Path) -> None:
    first, here = tmp_path / "first", tmp_path / "here"
    first.mkdir()
    here.mkdir()
    set_traps(here)
    (here / "search.py").write_text(TRAP)
    (here / "zähler.toml").write_text(tiny(trials=2, epochs=2))
    files = {path.name for path in here.iterdir()} | {"runs"}
    picture = str(ROOT / "docs" / "images" / "quick_accuracy_curves.png")
    run_dir = here / "runs" / "zähler"
    done = as_cron_job(first, here, "search.__main__", "zähler.toml", "--data", str(tiny_root))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("1 machine, 1 CPU, no GPU")
    assert [record.state for record in records(run_dir)] == ["complete", "complete"]
    done = as_cron_job(first, here, "analysis.__main__", str(run_dir))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{run_dir}/report/index.html\n", "")
    done = as_cron_job(first, here, "classify_image", picture, "--model", str(run_dir))
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in here.iterdir()} == files
    assert not any(path.stat().st_mode & 0o077 for path in run_dir.rglob("*"))


def test_commands_by_module_among_files_named_as_ours(tmp_path: Path) -> None:
    set_traps(tmp_path)
    (tmp_path / "tiny.toml").write_text("[search]\ntrials = 0\n")
    for module, words in (("search", ["tiny.toml"]), ("search", ["confirm", "none"])):
        done = command(tmp_path, *words, module=module)
        assert (done.returncode, done.stderr[:7]) == (2, "error: "), done.stderr
    (tmp_path / "analysis.py").unlink()
    (tmp_path / "search.py").write_text(TRAP)
    done = command(tmp_path, "none", module="analysis")
    assert (done.returncode, done.stderr[:7]) == (2, "error: "), done.stderr


def test_a_search_whose_output_is_closed_goes_on_to_its_end(tiny_root: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny(trials=1, epochs=2))
    line = [sys.executable, "-m", "search", "tiny.toml", "--data", str(tiny_root)]
    with subprocess.Popen(
        line, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        said = process.communicate(timeout=300)[1].splitlines()
    assert process.returncode == 0, said
    assert said == ["standard output is lost (nobody reads it any more): the search goes on without it"]
    assert (tmp_path / "runs" / "tiny" / "report" / "index.html").exists()


def test_a_full_disk_behind_the_output_of_a_search(capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115
    output = Output(file=full)
    output.write_line("lost")
    output.write_line("as all that follows")
    with suppress(OSError):  # what is still to be written
        full.close()
    assert capsys.readouterr().err == (
        "standard output is lost ([Errno 28] No space left on device): the search goes on without it\n"
    )


def test_without_a_home_folder_data_lie_in_the_working_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(*_: object) -> None:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("DIGIT_SEARCH_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", unknown)
    monkeypatch.chdir(tmp_path)
    assert data_root() == tmp_path / "data"


def test_a_machine_without_a_tmp_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdtemp(**_: str) -> str:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", mkdtemp)
    error = re.escape("/tmp: Ray keeps its files there (Read-only file system); give this machine a /tmp that")
    with pytest.raises(ConfigError, match=error), cluster.connected(None, on_gone=print):
        pass


def test_a_clock_that_goes_back(go_without: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each look the clock stands an hour earlier, as after a machine was asleep or its clock was wrong at first."""
    began, looks = time.time(), count()
    monkeypatch.setattr("time.time", lambda: began - 3600 * next(looks))
    outcome = go_without(experiment())
    assert next(looks) > 4
    trials = trial_table(outcome.run_dir)
    assert trials.state.tolist() == ["complete"] * len(trials)
    assert (trials[["clock", "duration"]] > pd.Timedelta(0)).all(axis=None)
    assert write_report([outcome.run_dir]).exists()
