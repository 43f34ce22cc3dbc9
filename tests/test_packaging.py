"""What an installation brings: reasons for it, pinned versions, explicit packages, three commands."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)


DECLARED = {re.split(r"[\[><= ]", line)[0] for line in PROJECT["project"]["dependencies"]}


def test_every_dependency_bears_its_reason() -> None:
    lines = [line for line in PYPROJECT.splitlines() if re.match(r' {4}"[a-z\[\]-]+>=', line)]
    assert len(lines) >= len(DECLARED)
    assert all("  # " in line for line in lines)


@pytest.mark.parametrize("command", ["digit-search", "digit-report", "classify-image"])
def test_commands_exist(command: str) -> None:
    module, _, function = PROJECT["project"]["scripts"][command].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_packages_are_named_explicitly() -> None:
    folders = [path.parent for top in ("model", "search", "analysis") for path in (ROOT / top).glob("**/__init__.py")]
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages


def test_files_other_than_modules_are_installed_too() -> None:
    for package in ("model", "search", "analysis"):
        patterns = PROJECT["tool"]["setuptools"]["package-data"].get(package, [])
        installed = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
        present = {path for path in (ROOT / package).glob("**/*") if path.is_file() and "__pycache__" not in path.parts}
        assert {path for path in present if path.suffix != ".py"} == installed
    assert (ROOT / "analysis" / "page" / "templates" / "page.html").is_file()


def test_constraints_pin_versions_without_addresses() -> None:
    lines = [line for line in Path(ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {re.sub(r"[._-]+", "-", line.partition("==")[0].lower()) for line in lines}
    assert {re.sub(r"[._-]+", "-", name) for name in DECLARED} <= pinned
