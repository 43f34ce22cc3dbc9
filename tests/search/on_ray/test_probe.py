"""What the answer of a cluster's machine means; tests/chaos/test_nodes.py asks real ones."""

from pathlib import Path
from typing import Any

import pytest

from search.on_ray import probe
from search.on_ray.probe import PACKAGES, _fault, _look
from search.store.checkpoints import CheckpointStore

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


def test_a_fault_of_an_object_store_is_named_with_it() -> None:
    fault = _fault({"host": "b", "sees": True, "refusal": "no such bucket", "versions": {}}, IN_BUCKET)
    assert str(fault).startswith("search.checkpoints: host b can't write to s3://bucket/mnist (no such bucket); see to")


def test_a_machine_looks_at_the_folder_and_leaves_nothing_there(tmp_path: Path) -> None:
    found = _look(CheckpointStore(tmp_path), PACKAGES)
    assert (found["sees"], found["refusal"]) == (False, None)
    (tmp_path / "lock").touch()
    assert _look(CheckpointStore(tmp_path), PACKAGES) == {**found, "sees": True}
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_machine_that_writes_elsewhere_need_not_see_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, refusal in (("there", None), ("file/there", "Not a directory")):
        found = _look(CheckpointStore(HERE, str(tmp_path / place)), PACKAGES)
        assert (found["sees"], found["refusal"]) == (True, refusal)
    assert not any((tmp_path / "there").iterdir())
