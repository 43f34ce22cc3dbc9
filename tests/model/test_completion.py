"""Shells complete commands, options, runs, exports and configurations; where none fits, names of files."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import analysis.__main__
import classify_image
import search.cli
from tests.harness import ROOT
from tests.test_architecture import HEAVY, output_and_imports

# As pip writes them.
PROGRAMS = {"digit-search": "search.__main__", "digit-report": "analysis.__main__", "classify-image": "classify_image"}
APPS = {
    "digit-search": search.cli.app,
    "digit-report": analysis.__main__.app,
    "classify-image": classify_image.app,
}
FILES = ("configs/quick.toml", "own.toml", "pyproject.toml", "runs/quick/experiment.toml", "runs/b/experiment.toml")
FILES += ("runs/quick/export/model.json", "runs/with space/experiment.toml", "runs/none/notes.txt")
CONFIGS, RUNS, EXPORTS = ["configs/quick.toml", "own.toml"], ["runs/b", "runs/quick"], ["runs/quick/export"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def completed(line: str, shell: str = "bash") -> Any:
    """Return what a program prints for a shell that completes the last word of a line."""
    words = line.split(" ")
    env = {f"_{words[0].upper().replace('-', '_')}_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    env |= {"COMP_WORDS": line.replace(" ", "\n"), "COMP_CWORD": str(len(words) - 1)}
    env |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = CliRunner().invoke(APPS[words[0]], [], prog_name=words[0], env=env)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("digit-search ", ["confirm", "run", "status", *CONFIGS]),
        ("digit-search con", ["confirm", "configs/quick.toml"]),
        ("digit-search run ", CONFIGS),
        ("digit-search run ./", []),  # so the shell completes names of files
        ("digit-search run own.toml --re", ["--resume", "--retry-failed"]),
        ("digit-search own.toml --re", ["--resume", "--retry-failed"]),
        ("digit-search run own.toml --data ", []),
        ("digit-search confirm runs/q", ["runs/quick"]),
        ("digit-search status ", RUNS),
        ("digit-report runs/quick ", RUNS),
        ("digit-report runs/quick --o", ["--out"]),
        ("classify-image ", []),
        ("classify-image a.png --model ", EXPORTS),
        ("classify-image a.png --m", ["--model"]),
    ],
)
def test_a_line_is_completed(here: Path, line: str, words: list[str]) -> None:
    assert completed(line).split() == words


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_served_too(here: Path, shell: str) -> None:
    assert "runs/quick" in completed("digit-search status ", shell)


BASH = """
for program in digit-search digit-report classify-image; do
  source <($program --show-completion)
done
$PYTHON -m search --show-completion | cmp - <(digit-search --show-completion) && echo the same
complete_line() {
  COMP_WORDS=($1 "${@:2}"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
  $(complete -p $1 | sed 's/.*-F \\([^ ]*\\).*/\\1/') $1; echo "${COMPREPLY[@]}"
}
complete_line digit-search status runs/q
complete_line digit-report runs/b
complete_line classify-image a.png --model runs/
"""


def test_bash_completes_the_installed_programs(here: Path) -> None:
    (here / "bin").mkdir()
    for name, module in PROGRAMS.items():
        program = here / "bin" / name
        program.write_text(f"#!{sys.executable}\nfrom {module} import main\nmain()\n")
        program.chmod(0o755)
    env = {"PATH": f"{here / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PYTHON": sys.executable}
    done = subprocess.run(["bash", "--norc", "-c", BASH], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["the same", "runs/quick", "runs/b", "runs/quick/export"], done.stderr


def test_a_completion_imports_nothing_heavy(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "digit-search").write_text("from search.__main__ import main\nmain()\n")
    for name, value in {"_DIGIT_SEARCH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "digit-search run o"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    output, loaded = output_and_imports([str(here / "digit-search")], cwd=here)
    assert "own.toml" in output
    assert not loaded & (HEAVY - {"pydantic"})  # typer reads the words so far with it


# Says, as a command leaves, how seldom Python looks for garbage; what Python would do after that it would say too.
ENDING = """
import atexit, gc
from model import command
import search.cli
atexit.register(print, "Python goes on to its own end")  # the first to be registered is the last to be called
leave = command._leave
def leaving(codes):
    print("at", gc.get_threshold()[0])
    leave(codes)
command._leave = leaving
search.cli.main()
"""


@pytest.mark.parametrize("words", [["--help"], ["no-such-word"]])
def test_a_command_seldom_looks_for_garbage_and_not_as_it_ends(words: list[str]) -> None:
    """That takes Python more than a second once Ray and PyTorch are imported, and a second while they are."""
    done = subprocess.run([sys.executable, "-c", ENDING, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "at 50000"
