"""The executable diagram: which package may import what, and which start-ups must stay light."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"model", "search", "analysis", "classify_image"}
# What each package may import of ours, and what it must never import of others.
ALLOWED = {
    "model": {"model"},
    "search": {"search", "model"},
    "analysis": {
        "analysis",
        "search.store.study",
        "search.store.lock",
        "search.experiment",
        "search.store.resolved",
        "search.space",
        "model.errors",
        "model.files",
        "model.card",
        "model.hyperparameters",
        "model.catalogue",
    },
    "classify_image": {"model"},
}
FORBIDDEN = {
    "model": {"ray", "optuna", "pandas"},
    "search": {"pandas", "matplotlib", "plotly"},
    "analysis": {"ray", "torch", "torchvision"},
    "classify_image": {"ray", "optuna", "pandas"},
}
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "tomli_w": "tomli-w"}
EXCEPTIONS = {("search/__main__.py", "analysis.report")}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module in OURS}
    return found


def sources() -> list[tuple[str, Path]]:
    files = [
        (package, path) for package in ("model", "search", "analysis") for path in (ROOT / package).glob("**/*.py")
    ]
    return [*files, ("classify_image", ROOT / "classify_image.py")]


@pytest.mark.parametrize(("package", "path"), sources(), ids=lambda value: getattr(value, "name", value))
def test_imports_run_one_way(package: str, path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for module in imports(path):
        top = module.partition(".")[0]
        if top in OURS and (name, module) not in EXCEPTIONS and module not in OURS:
            parts = module.split(".")
            prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            assert prefixes & ALLOWED[package], f"{name} imports {module}"
        assert top not in FORBIDDEN[package], f"{name} imports {module}"


def test_study_and_space_know_nothing_of_ray() -> None:
    for package, path in sources():
        if package == "search" and path.parent.name != "on_ray":
            assert "ray" not in {module.partition(".")[0] for module in imports(path)}, path


@pytest.mark.parametrize("command", [["-m", "search"], ["-m", "analysis"], ["classify_image.py"]], ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Usage" in run.stdout
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if "|" in line}
    heavy = {"torch", "ray", "optuna", "pandas", "numpy", "matplotlib", "sklearn", "PIL", "pydantic", "sqlalchemy"}
    heavy |= {"jinja2", "plotly", "scipy"}
    assert not loaded & heavy


def test_every_import_is_declared_and_every_dependency_is_used() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    declared = {re.split(r"[\[><= ]", line)[0] for line in dependencies}
    modules = {module.partition(".")[0] for _, path in sources() for module in imports(path)}
    foreign = {DISTRIBUTIONS.get(name, name) for name in modules - OURS - set(sys.stdlib_module_names)}
    # numpy comes with torch and pandas, markupsafe with jinja2
    assert foreign - {"numpy", "markupsafe"} <= declared
    assert declared <= foreign


def test_every_file_begins_by_saying_why_it_exists() -> None:
    for _, path in sources():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
