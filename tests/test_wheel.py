"""What is built holds all files of the packages and nothing else, and works where nothing else is."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPTS = PYPROJECT["project"]["scripts"]
OF_PACKAGES = ("search/", "model/", "analysis/", "classify_image.py")


@dataclass(frozen=True)
class Built:
    """The files of the tree, what was built from it, and the wheel that was built from the unpacked sdist."""

    files: frozenset[str]
    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build in a copy of the tree, where nothing is left of earlier builds."""
    folder = tmp_path_factory.mktemp("built")
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()]
    tree = Path(shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(".*", *ignored)))
    files = frozenset(path.relative_to(tree).as_posix() for path in tree.glob("**/*") if path.is_file())
    build = [sys.executable, "-m", "build", "--no-isolation", str(tree), "--outdir"]
    output_of([*build, str(folder / "both")], folder)  # the sdist, and a wheel from what it unpacks to
    output_of([*build, str(folder / "direct"), "--wheel"], folder)
    [sdist], [of_sdist] = folder.glob("both/*.tar.gz"), folder.glob("both/*.whl")
    [wheel] = folder.glob("direct/*.whl")
    return Built(files, sdist, wheel, of_sdist)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    output_of([*pip, "--target", str(folder), str(built.wheel)], folder)
    return folder


def output_of(command: list[str], folder: Path, path: Path | None = None) -> str:
    """Return what a command prints in `folder`, with `path` as the only place of ours; the test fails if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(path or ""), "PYTHONSAFEPATH": "1"}
    ended = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.mark.parametrize("which", ["wheel", "wheel_of_sdist"])
def test_a_wheel_holds_every_file_of_the_packages_and_no_other(built: Built, which: str) -> None:
    held = {name for name in zipfile.ZipFile(getattr(built, which)).namelist() if ".dist-info/" not in name}
    assert held == {name for name in built.files if name.startswith(OF_PACKAGES)}


def test_the_sdist_holds_the_tree(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in held if re.match(r"PKG-INFO|setup\.cfg|[^/]+\.egg-info/", name)}
    assert held - made == built.files


def test_the_metadata_shows_the_readme_and_classifies_every_version_of_python(installed: Path) -> None:
    [distribution] = importlib.metadata.distributions(path=[str(installed)])
    about = distribution.metadata
    assert about["Description-Content-Type"] == "text/markdown"
    assert (about.get_payload() or about["Description"]).startswith("# Digit Search")
    lowest, beyond = sorted(int(minor) for minor in re.findall(r"3\.(\d+)", about["Requires-Python"]))
    versions = {f"Programming Language :: Python :: 3.{minor}" for minor in range(lowest, beyond)}
    assert versions == {name for name in about.get_all("Classifier") or [] if "Python :: 3." in name}


def test_the_commands_work_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    for script in SCRIPTS:
        assert "--help" in output_of([str(installed / "bin" / script), "--help"], tmp_path, installed)


def test_a_run_is_reported_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "older_run", tmp_path / "run")
    code = "import search, model, analysis, classify_image as c; print(search, model, analysis, c)"
    assert output_of([sys.executable, "-c", code], tmp_path, installed).count(f"'{installed}/") == 4
    assert "trial" in output_of([str(installed / "bin" / "digit-search"), "status", "run"], tmp_path, installed)
    output_of([str(installed / "bin" / "digit-report"), "run"], tmp_path, installed)
    assert "</html>" in (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")
