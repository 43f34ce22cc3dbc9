"""What a shell completes besides names of files: runs, exports and configurations where they usually lie.

Where none of them fits what is typed, a shell completes names of files by itself.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path


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
