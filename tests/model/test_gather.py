"""The words of a command name pictures: files, folders, patterns and standard input, in the order of the words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from model.decode import FORMATS
from model.gather import gathered
from model.picture import SUFFIXES
from tests.harness import ROOT, environment
from tests.model.drawings import seven
from tests.places.exports import small_export


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with pictures, which are not opened, among other files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png", "deep/c.webp", "deep/deeper/d.png", "[1].png"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / name).touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["scans/notes.txt", "none.png"], ["scans/notes.txt", "none.png"]),
        (["scans/a.jpg", "scans"], ["scans/a.jpg", "scans/[1].png", "scans/a.jpg", "scans/b.PNG"]),
        (["scans/?.*", "scans/a.jpg"], ["scans/a.jpg", "scans/b.PNG", "scans/a.jpg"]),
        (["scans/**/*.png"], ["scans/[1].png", "scans/deep/deeper/d.png"]),
        (["scans/[1].png"], ["scans/[1].png"]),
        (["scans/[ab].*"], ["scans/a.jpg", "scans/b.PNG"]),
        (["scans/dee*"], ["scans/deep/c.webp"]),
        (["~/scans/a.*"], ["{home}/scans/a.jpg"]),
        (["{home}/scans/a.*"], ["{home}/scans/a.jpg"]),
        (["empty", "*.tif", "~nobody/*.png"], ["empty", "*.tif", "~nobody/*.png"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_words_name_pictures(here: Path, words: list[str], named: list[str]) -> None:
    pictures = gathered([word.format(home=here) for word in words])
    assert [os.fspath(picture) for picture in pictures] == [name.format(home=here) for name in named]


def test_what_can_be_decoded_is_known_by_its_ending() -> None:
    endings = Image.registered_extensions()
    assert {ending for ending, name in endings.items() if name in FORMATS} == SUFFIXES


def test_a_picture_comes_from_standard_input(tmp_path: Path) -> None:
    export = small_export(tmp_path / "export").folder
    seven().save(tmp_path / "seven.png")
    line = [sys.executable, str(ROOT / "classify_image.py"), "-", str(tmp_path / "seven.png"), "-"]
    with (tmp_path / "seven.png").open("rb") as picture:
        done = subprocess.run(
            [*line, "--model", str(export)],
            stdin=picture,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    piped, named = (line.rpartition(": ") for line in done.stdout.splitlines())
    assert (piped[0], named[0]) == ("<stdin>", str(tmp_path / "seven.png"))
    assert piped[2] == named[2]
    assert (done.returncode, done.stderr) == (1, "<stdin>: is empty (0 bytes); save the picture again\n")


def test_without_a_standard_input_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert gathered(["-"]) == ["-"]  # a file that is not there


def test_a_folder_without_pictures_is_told_as_such(here: Path) -> None:
    from model.picture import ImageError, source_of

    with pytest.raises(ImageError, match=r"^empty: is a folder; name one with pictures in it$"):
        source_of("empty")
    with pytest.raises(ImageError, match=r"^scans: is a folder; name the pictures in it$"):
        source_of("scans")
