"""Commands answer any name, of a pipe, a folder, a loop or nothing, with one line and exit code 1 or 2."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import analysis.__main__
import classify_image
import search.cli
from tests.conftest import write_idx
from tests.fuzz.survival import PLAN, assert_clear, assert_refused, within_time
from tests.permissions import obey_permissions

ROOT = Path(__file__).parents[2]
CONFIG = "[data]\nvalidation_images = 100\n[search]\ntrials = 1\npruner = 'none'\n"
APPS = {
    "classify": classify_image.app,
    "search": search.cli.app,
    "analysis": analysis.__main__.app,
}
LIMIT = 120  # seconds for a command in a process of its own
WAYS: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda _: None,
    "empty": lambda path: path.touch(),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "link to nothing": lambda path: path.symlink_to(path.with_name("gone")),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "5 GB": lambda path: (path.touch(), os.truncate(path, 5_000_000_000)),
}
# What a command reads, the command that reads it, and its exit code.
KINDS: dict[str, tuple[list[str], int]] = {
    "picture.png": (["classify", "picture.png", "--model", "export"], 1),
    "export": (["classify", "good.png", "--model", "export"], 2),
    **{
        f"export/{name}": (["classify", "good.png", "--model", "export"], 2)
        for name in ("model.json", "mnist_cnn.pt", "SHA256SUMS")
    },
    "config.toml": (["search", "config.toml"], 2),
    **{
        f"data/MNIST/raw/{name}": (["search", "config.toml", "--data", "data"], 2)
        for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    },
}
NAMES = [
    "with  spaces ",
    "two\nlines\r",
    "not utf-8 \udcff\udc80",
    "\x1b[31mred",
    "--dash",
    "é" * 100,
    "~nobody",
    "100%{x}",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_export: Path, seven: Image.Image) -> Path:
    """Return a working directory in which every command of KINDS would succeed."""
    monkeypatch.chdir(tmp_path)
    seven.save("good.png")
    seven.save("picture.png")
    shutil.copytree(whole_export, "export")
    Path("config.toml").write_text(CONFIG)
    write_idx(Path("data/MNIST/raw"), train=220, test=20)
    return tmp_path


def invoke(words: list[str]) -> Any:
    app = APPS[words[0]]
    with within_time():
        return CliRunner().invoke(app, words[1:])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_something_else_in_place(here: Path, kind: str, way: str) -> None:
    path = here / kind
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    WAYS[way](path)
    words, code = KINDS[kind]
    if (kind, way) == ("config.toml", "empty"):
        assert "search: missing" in invoke(words).stderr
    assert_refused(invoke(words), code, f"{way} in place of {kind}")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_will_do(here: Path, name: str) -> None:
    shutil.copy("good.png", name)
    shutil.copytree("export", name + ".model")
    result = invoke(["classify", "--model", name + ".model", "--", name])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert_clear(result.stdout[:-1], name)
    Path(name + ".model", "model.json").write_bytes(b"{}")
    Path(name + ".toml").write_text("[search]\ntrials = 0\n")
    shutil.copytree("data", name + ".data")
    Path(name + ".data", "MNIST/raw/train-images-idx3-ubyte").write_bytes(b"")
    assert_refused(invoke(["classify", "--model", name + ".model", "--", "good.png"]), 2, name)
    assert_refused(invoke(["classify", "--model", "export", "--", name + "gone"]), 1, name)
    assert_refused(invoke(["search", "--", name + ".toml"]), 2, name)
    assert_refused(invoke(["search", "config.toml", "--data", name + ".data"]), 2, name)
    assert_refused(invoke(["search", "config.toml", "--name", name + "/"]), 2, name)
    if "not" in name or "\n" in name:  # names that a database's address can't hold
        for option in ("--name", "--out"):
            assert_refused(invoke(["search", "config.toml", "--data", "data", option, name]), 2, name)


@pytest.mark.parametrize("place", ["/", "..", "/dev/null", "/proc/self/mem", "~nobody/x", "~", "x" * 300])
def test_places_that_hold_something_else(here: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here / "data"))
    assert_refused(invoke(["classify", "good.png", "--model", place]), 2, place)
    assert_refused(invoke(["classify", place, "--model", "export"]), 1, place)
    assert_refused(invoke(["search", place]), 2, place)
    assert_refused(invoke(["search", "config.toml", "--data", place + "/none"]), 2, place)


UNPRIVILEGED = """
import json, os, sys
from tests.fuzz.test_awkward_files import invoke
for folder, words in json.load(sys.stdin):
    os.chdir(folder)
    result = invoke(words)
    print(json.dumps([result.exit_code, result.stdout, result.stderr, repr(result.exception)]))
"""


def test_files_without_read_permission(here: Path) -> None:
    data = (["search", "config.toml", "--data", "data"], 2)
    Path("out").mkdir()
    out = (["search", "config.toml", "--data", "data", "--out", "out"], 2)
    confirm, report = (["search", "confirm", "run"], 2), (["analysis", "run"], 2)
    Path("run").mkdir()
    for name in ("study.db", "experiment.toml"):
        Path("run", name).write_text("anything")
    folders = [("data/MNIST/raw", data), ("data", data), ("out", out), ("run", confirm), ("run", report)]
    closed = [*KINDS.items(), *folders, ("run/study.db", report)]
    cases = []
    for number, (kind, (words, _)) in enumerate(closed):
        folder = shutil.copytree(here, here.parent / f"closed {number}")
        (folder / kind).chmod(0)
        cases.append((str(folder), words))
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED], input=json.dumps(cases), env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=obey_permissions, capture_output=True, text=True, timeout=LIMIT, check=True,
    )  # fmt: skip
    for (kind, (_, code)), line in zip(closed, done.stdout.splitlines(), strict=True):
        exit_code, out, err, exception = json.loads(line)
        assert exit_code == code, f"{kind}: {exception} {err}"
        assert re.fullmatch(PLAN, out), f"{kind}: {out}"
        assert_clear(err[:-1], kind)


def test_the_commands_as_a_person_starts_them(here: Path, seven: Image.Image) -> None:
    os.mkfifo("pipe")
    seven.save("damaged.tif", compression="tiff_lzw")
    content = bytearray(Path("damaged.tif").read_bytes())
    content[150:200] = b"\xff" * 50
    Path("damaged.tif").write_bytes(content)
    Image.new("1", (20_000, 20_000)).save("bomb.png")
    Path("deep.toml").write_text("a." * 100_000 + "a = 1")
    Path("without").mkdir()
    pictures = ["pipe", "good.png", "damaged.tif", "/dev/zero", "bomb.png", "without", "new\nline", b"\xff"]
    for words, code, lines in (
        (["classify_image", *pictures, "--model", "export"], 1, 7),
        (["search", "deep.toml"], 2, 1),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *words], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            timeout=LIMIT, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.count("\n")) == (code, 8 - lines if lines > 1 else 0), done.stderr
        assert done.stderr.count("\n") == lines, done.stderr
        for line in done.stderr.splitlines():
            assert_clear(line, str(words))
