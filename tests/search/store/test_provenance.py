"""What a run says of its making: the commit of this source tree, the versions in use."""

import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from search.experiment import parse_experiment
from search.store.provenance import environment

ROOT = Path(__file__).parents[3]


def test_commit_and_versions_are_those_in_use() -> None:
    found = environment(parse_experiment({"search": {"trials": 1, "seed": 7}}))
    assert found["versions"]["ray"] == metadata.version("ray")
    assert found["seed"] == 7
    if not (ROOT / ".git").exists():
        pytest.skip("this source tree has no commit")
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert found["commit"] == head.stdout.strip()
