"""What an installation brings: reasons for it, pinned versions."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)


DECLARED = {re.split(r"[\[><= ]", line)[0] for line in PROJECT["project"]["dependencies"]}


def test_every_dependency_bears_its_reason() -> None:
    lines = [line for line in PYPROJECT.splitlines() if re.match(r' {4}"[a-z\[\]-]+>=', line)]
    assert len(lines) >= len(DECLARED)
    assert all("  # " in line for line in lines)


def test_constraints_pin_versions_without_addresses() -> None:
    lines = [line for line in Path(ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {re.sub(r"[._-]+", "-", line.partition("==")[0].lower()) for line in lines}
    assert {re.sub(r"[._-]+", "-", name) for name in DECLARED} <= pinned
