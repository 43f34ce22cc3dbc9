"""What a shell completes besides names of files: runs, exports and configurations where they usually lie.

Where none of them fits what is typed, a shell completes names of files by itself.
"""

import gc
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import typer

NEW_OBJECTS = 50_000  # after so many Python looks for garbage, by itself after 700
QUESTIONS = {"--install-completion", "--show-completion"}


def start(app: typer.Typer, installed: str) -> None:
    """Run a command, which is called `installed` where it is installed.

    Shells complete programs by their names, and `python -m search` is python to them: there too the completion that is
    asked for is that of the installed program.
    """
    gc.set_threshold(NEW_OBJECTS)  # an import of PyTorch or Ray makes a million objects and no garbage
    try:
        app(prog_name=installed if QUESTIONS & {*sys.argv[1:]} else None)
    finally:
        gc.freeze()  # as it ends Python would look through all objects of Ray and PyTorch, for more than a second


def runs(incomplete: str) -> list[str]:
    """Return the folders of runs that begin so."""
    return _fitting(incomplete, (path.parent for path in Path("runs").glob("*/experiment.toml")))


def exports(incomplete: str) -> list[str]:
    """Return the export folders that begin so."""
    return _fitting(incomplete, (path.parent for path in Path("runs").glob("*/export/model.json")))


def configurations(incomplete: str) -> list[str]:
    """Return the TOML files that begin so, here and in configs/."""
    found = [path for folder in (Path(), Path("configs")) for path in folder.glob("*.toml")]
    return _fitting(incomplete, (path for path in found if path.name != "pyproject.toml"))


def _fitting(incomplete: str, paths: Iterable[Path]) -> list[str]:
    """Return the paths that begin so, in order, but for those that a shell would misread."""
    names = sorted(str(path) for path in paths)
    return [name for name in names if name.startswith(incomplete) and shlex.quote(name) == name]
