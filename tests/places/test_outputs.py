"""Where a command's output goes: a pipe that closes, a full disk, a closed terminal. One line at most, no traceback."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model import files
from model.errors import one_line_errors
from model.files import write_atomically
from tests.analysis.studies import Writer
from tests.harness import environment
from tests.places.exports import small_export

FULL = "error: no room left on a disk (No space left on device); free some\n"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Commands that print: a report, and answers."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    writer = Writer(run_dir, {"search": {"trials": 1, "pruner": "none"}, "confirm": {"top": 0}})
    writer.trial([0.9, 0.91])
    writer.storage.close()
    picture = str(Path(__file__).parents[2] / "docs" / "images" / "quick_accuracy_curves.png")
    export = str(small_export(run_dir / "export").folder)
    return [["-m", "analysis", str(run_dir)], ["-m", "classify_image", picture, picture, "--model", export, "--json"]]


def run(words: list[str], **streams: Any) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, *words]
    return subprocess.run(line, env=environment(), stderr=subprocess.PIPE, text=True, check=False, **streams)


def test_a_full_disk(commands: list[list[str]]) -> None:
    for words in commands:
        with Path("/dev/full").open("w") as full:
            done = run(words, stdout=full)
        assert (done.returncode, done.stderr) == (2, FULL)


def test_a_pipe_that_nobody_reads(commands: list[list[str]]) -> None:
    for words in commands:
        reading, writing = os.pipe()
        os.close(reading)
        done = run(words, stdout=writing)
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, "")


def test_no_standard_output_at_all(commands: list[list[str]]) -> None:
    for words in commands:
        done = run(words, preexec_fn=lambda: os.close(1))
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)


def test_a_file_on_a_full_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    path = tmp_path / "index.html"
    path.write_text("the old one")
    with pytest.raises(SystemExit, match="2"), one_line_errors():
        write_atomically(path, b"the new one")
    assert capsys.readouterr().err == f"error: {path}: No space left on device; free some room\n"
    assert path.read_text() == "the old one"
    assert [found.name for found in tmp_path.iterdir()] == ["index.html"]
