"""The end of a command: at once, without a word of libraries, with the exit code that it chose."""

import subprocess
import sys

import pytest

from tests.harness import ROOT, environment

# torchvision brings Triton, which complains as Python ends if its objects are frozen.
COMMAND = """
import atexit, sys, typer
from model.command import start
app = typer.Typer(pretty_exceptions_enable=False)

@app.command()
def command(how: str):
    from torchvision import datasets
    atexit.register(print, "at the end")
    print("done")
    if how == "refused":
        raise typer.Exit(2)
    if how == "mistake":
        raise LookupError(how)

start(app, "command")
"""


@pytest.mark.parametrize(
    ("how", "code", "last"), [("ends", 0, []), ("refused", 2, []), ("mistake", 1, ["LookupError: mistake"])]
)
def test_a_command_that_imported_torchvision_ends_without_a_word(how: str, code: int, last: list[str]) -> None:
    line = [sys.executable, "-c", COMMAND, how]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (code, "done\nat the end\n")
    assert done.stderr.splitlines()[-1:] == last
