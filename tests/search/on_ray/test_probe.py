"""What the answer of a cluster's machine means; tests/chaos/test_nodes.py asks real ones."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from search.on_ray import probe
from search.on_ray.probe import PACKAGES, _fault, _look
from search.store.checkpoint_store import CheckpointStore
from tests.harness import ROOT, environment

HERE = Path("/shared/runs/mnist")
IN_FOLDER, IN_BUCKET = CheckpointStore(HERE), CheckpointStore(HERE, "s3://bucket/mnist")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"sees": False}, f"--out: host b does not see {HERE}; share one folder at the same path on all hosts"),
        ({"refusal": "Permission denied"}, f"--out: host b can't write to {HERE} (Permission denied); see to"),
        ({"versions": {"torch": "2.0.0"}}, "host b has torch 2.0.0, and this one has "),
        ({"versions": {"numpy": None}}, "host b lacks numpy, and this one has "),
    ],
)
def test_a_fault_is_named_with_its_host_and_remedy(changed: dict[str, Any], said: str | None) -> None:
    versions = probe._versions(PACKAGES) | changed.get("versions", {})
    fault = _fault({"host": "b", "sees": True, "refusal": None, **changed, "versions": versions}, IN_FOLDER)
    assert fault is None if said is None else str(fault).startswith(said)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"refusal": "no room"}, "search.checkpoints: host b can't write to s3://bucket/mnist (no room); see to"),
        ({"sees": False}, "search.checkpoints: host b does not see what lies at s3://bucket/mnist; mount it, or see"),
    ],
)
def test_a_fault_of_an_object_store_is_named_with_it(changed: dict[str, Any], said: str) -> None:
    fault = _fault({"host": "b", "sees": True, "refusal": None, "versions": {}, **changed}, IN_BUCKET)
    assert str(fault).startswith(said)


def test_a_machine_looks_at_the_folder_and_leaves_nothing_there(tmp_path: Path) -> None:
    found = _look(CheckpointStore(tmp_path), PACKAGES, 0)
    assert (found["sees"], found["refusal"]) == (False, None)
    (tmp_path / "lock").touch()
    assert _look(CheckpointStore(tmp_path), PACKAGES, 0) == {**found, "sees": True}
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_machine_that_writes_elsewhere_need_not_see_the_run_but_what_was_claimed(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    store = CheckpointStore(run_dir, str(tmp_path / "there"))
    assert not _look(store, PACKAGES, 0)["sees"]
    assert not (tmp_path / "there").exists()  # a folder of this machine's own would look like the mounted one
    store.claim()
    hidden = CheckpointStore(HERE, store.elsewhere)
    assert {key: _look(hidden, PACKAGES, 0)[key] for key in ("sees", "refusal")} == {"sees": True, "refusal": None}
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["owner.txt"]


WITHOUT_TORCH = """
import sys
from pathlib import Path
sys.modules["torch"] = None
from search.on_ray.probe import PACKAGES, _look
from search.store.checkpoint_store import CheckpointStore
print(_look(CheckpointStore(Path(sys.argv[1])), PACKAGES, 1)["torch"])
"""


def test_a_machine_whose_torch_fails_can_say_so(tmp_path: Path) -> None:
    line = [
        sys.executable,
        "-c",
        WITHOUT_TORCH.replace("sys.argv[1]", f"__import__('pathlib').Path({str(tmp_path)!r})"),
    ]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("can't use torch (ModuleNotFoundError: "), done.stderr
