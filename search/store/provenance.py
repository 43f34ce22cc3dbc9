"""The provenance of a run: versions, commit, machine, and the digest of its images."""

import hashlib
import platform
import shlex
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from model.data import Dataset
from model.machine import usable_cpus
from search.experiment import Experiment

PACKAGES = ("torch", "torchvision", "ray", "optuna", "pandas", "matplotlib", "pillow")


def data_digest(dataset: Dataset) -> str:
    """Return the SHA-256 of the images and labels that are trained and validated on."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.val):
        digest.update(split.images.numpy().tobytes())
        digest.update(split.labels.numpy().tobytes())
    return digest.hexdigest()


def environment(experiment: Experiment) -> dict[str, Any]:
    """Return the contents of environment.json: versions, commit, machine, seed, command line."""
    return {
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "commit": _commit(),
        "machine": {"host": platform.node(), "system": platform.platform(), "cpus": usable_cpus()},
        "seed": experiment.search.seed,
        "command": shlex.join(["python", "-m", "search", *sys.argv[1:]]),
        "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _commit() -> str | None:
    """Return the commit of this source tree; None where there is no git repository."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return None
    try:
        git = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return git.stdout.strip() or None
