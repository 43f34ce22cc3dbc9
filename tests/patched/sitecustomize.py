"""Patch modules of the search in the processes of a test's cluster, as the variable PATCHED says.

Python imports this file first in every process whose PYTHONPATH names its folder.
"""

import errno
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def declared_gpus(gpus: Any) -> None:
    """Take the CPU for each GPU that Ray was told of."""
    gpus.DEVICE = "cpu"


def stale(trial: Any) -> None:
    """Save no checkpoint, as on a machine whose mount is stale."""

    def save(_state: Any, folder: Any) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(folder))

    trial.save = save


def impatient(outage: Any) -> None:
    """Wait for a database that does not answer for two seconds only."""
    outage.LIMIT = 2.0


PATCHES = {
    "declared_gpus": ("search.on_ray.gpus", declared_gpus),
    "impatient": ("search.store.outage", impatient),
    "stale": ("search.on_ray.trial", stale),
}


class Patcher(MetaPathFinder):
    """Patches a module once it is imported."""

    def __init__(self, patch: str) -> None:
        self.module, self.patch = PATCHES[patch]

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.loader
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


for name in os.environ.get("PATCHED", "").split(","):
    if name == "without_torch":  # as where a library that it needs is missing
        sys.modules["torch"] = None  # type: ignore[assignment]
    elif name:
        sys.meta_path.insert(0, Patcher(name))
