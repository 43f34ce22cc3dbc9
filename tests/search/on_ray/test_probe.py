"""What the answer of a cluster's machine means; tests/chaos/test_nodes.py asks real ones."""

from pathlib import Path
from typing import Any

import pytest

from search.on_ray import probe
from search.on_ray.probe import PACKAGES, _fault, _look

HERE = Path("/shared/runs/mnist")


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
    fault = _fault({"host": "b", "sees": True, "refusal": None, **changed, "versions": versions}, HERE)
    assert fault is None if said is None else str(fault).startswith(said)


def test_a_machine_looks_at_the_folder_and_leaves_nothing_there(tmp_path: Path) -> None:
    found = _look(str(tmp_path), "id", PACKAGES)
    assert (found["sees"], found["refusal"]) == (False, None)
    (tmp_path / "lock").touch()
    assert _look(str(tmp_path), "id", PACKAGES)["sees"]
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert _look(str(tmp_path / "absent"), "id", PACKAGES)["refusal"] == "No such file or directory"
