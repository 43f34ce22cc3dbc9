"""The executable diagram: imports run one way, by folder; private names of libraries stand in one file each."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"model", "search", "analysis", "classify_image"}
# Each place may import what stands before it, besides its own folder. A place is model/, or a folder or a file at the
# top of search/ and of analysis/.
LAYERS = [
    "model",
    "search.space",
    "search.strategy",
    "search.experiment",
    "search.store",
    "search.winner",
    "search.decisions",
    "search.progress",
    "search.trials",
    "search.on_ray",
    "search.stages",
    "search.run",
    "search",
    "analysis.numbers",
    "analysis.tables",
    "analysis.words",
    "analysis.figures",
    "analysis.page",
    "analysis.gallery",
    "analysis.report",
    "analysis.__main__",
    "search.cli",
    "search.__main__",
]
# What the layers above would allow and the design does not.
CLOSED = {
    **{
        place: {"search.on_ray", "search.stages", "search.run", "search.trials", "search.progress", "search"}
        for place in LAYERS
        if place.startswith("analysis.")
    },
    "search": {"search.on_ray", "search.stages", "search.run", "search.trials"},
    "search.cli": {"search.stages", "search.trials"},
    "classify_image": set(LAYERS) - {"model"},
}
CLOSED["analysis.figures"] |= {"analysis.tables", "analysis.words"}  # a figure draws what it is given
CLOSED["analysis.gallery"] |= {"analysis.words", "analysis.page"}
DOORS_OF_THE_RAY_ROOM = {"search.on_ray.door", "search.on_ray.address"}  # neither imports Ray by itself
# What no file of a package may import of others.
FORBIDDEN = {
    "model": {"ray", "optuna", "pandas"},
    "search": {"pandas", "matplotlib"},
    "analysis": {"ray", "torch", "torchvision"},
    "classify_image": {"ray", "optuna", "pandas"},
}
# What an extra brings is imported in its room alone, and the room nowhere else.
ROOMS_OF_EXTRAS = {"draw": "model.draw", "onnx": "model.export_onnx"}
PRIVATE = {"search/store/optuna_tables.py", "search/on_ray/ray_internals.py"}
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "tomli_w": "tomli-w", "tensorboardX": "tensorboardx"}
COME_ALONG = {"numpy", "markupsafe"}  # with torch and pandas, with jinja2


def sources() -> list[tuple[str, Path]]:
    """All files of the product, each with its package."""
    files = [
        (package, path) for package in ("model", "search", "analysis") for path in (ROOT / package).glob("**/*.py")
    ]
    return [*files, ("classify_image", ROOT / "classify_image.py")]


def imports(path: Path) -> set[str]:
    """The modules that a file imports, within functions too; of ours also what is named from a package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if node.module in OURS or is_module(name) else node.module for name in names}
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def place_of(module: str) -> str:
    """The layer that a module belongs to."""
    top, _, rest = module.partition(".")
    return f"{top}.{rest.partition('.')[0]}" if top in {"search", "analysis"} and rest else top


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", [path for _, path in sources()], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    here = place_of(module_of(path))
    for module in imports(path):
        if module.partition(".")[0] in OURS and (place := place_of(module)) != here:
            assert here == "classify_image" or LAYERS.index(place) < LAYERS.index(here), f"{path} imports {module}"
            assert place not in CLOSED.get(here, set()), f"{path} imports {module}"


@pytest.mark.parametrize(("package", "path"), sources(), ids=lambda value: getattr(value, "name", value))
def test_each_package_leaves_out_what_it_need_not_know(package: str, path: Path) -> None:
    tops = {module.partition(".")[0] for module in imports(path)}
    assert not tops & FORBIDDEN[package], path
    if package == "search" and place_of(module_of(path)) != "search.on_ray":
        assert "ray" not in tops, f"{path}: only on_ray/ imports Ray"


def test_the_ray_room_is_entered_by_its_doors() -> None:
    entered = {
        module
        for _, path in sources()
        if place_of(module_of(path)) != "search.on_ray"
        for module in imports(path)
        if place_of(module) == "search.on_ray"
    }
    assert entered == DOORS_OF_THE_RAY_ROOM
    code = "import search.on_ray.door, search.on_ray.address, sys; assert not {'ray', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def private_names(path: Path) -> set[str]:
    """Names that begin with one underscore and are not the file's own: attributes of others, keywords, imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {"self", "cls", "super()"}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in own:
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in alias.name.split(".")}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {*node.module.split("."), *(alias.name for alias in node.names)}
    return {name for name in found if re.match(r"_[^_]|__mixins__", name)} - {"_exit"}  # os._exit is documented


def test_private_names_of_libraries_stand_in_one_file_each() -> None:
    found = {path.relative_to(ROOT).as_posix(): private_names(path) for _, path in sources()}
    assert {name: names for name, names in found.items() if names and name not in PRIVATE} == {}


@pytest.mark.parametrize(
    "source", ["study._storage", "ray.init(_temp_dir=x)", "from ray import _private", "f.__mixins__"]
)
def test_private_names_are_found(tmp_path: Path, source: str) -> None:
    (tmp_path / "source.py").write_text(source)
    assert private_names(tmp_path / "source.py")


@pytest.mark.parametrize("package", ["search", "analysis"])
def test_a_package_is_seen_at_one_glance(package: str) -> None:
    entries = [path for path in (ROOT / package).iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 14


HEAVY = {"torch", "ray", "optuna", "pandas", "numpy", "matplotlib", "sklearn", "PIL", "pydantic", "sqlalchemy"}
HEAVY |= {"jinja2", "scipy", "starlette", "uvicorn", "onnx", "onnxruntime"}
COMMANDS = [["-m", "search"], *(["-m", "search", name] for name in ("run", "confirm", "status"))]
COMMANDS += [["-m", "analysis"], ["-m", "model.draw"], ["-m", "model.export_onnx"]]


@pytest.mark.parametrize("command", [*COMMANDS, ["classify_image.py"]], ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    output, loaded = output_and_imports([*command, "--help"])
    assert "Usage" in output
    assert not loaded & HEAVY


@pytest.mark.parametrize("words", [["run", "none.toml"], ["confirm", "none"]], ids=" ".join)
def test_a_mistake_is_said_before_anything_slow_is_imported(words: list[str]) -> None:
    output, loaded = output_and_imports(["-m", "search", *words])
    assert "none" in output
    assert not loaded & {"torch", "ray", "scipy.stats", "pandas", "matplotlib"}


def output_and_imports(command: list[str], cwd: Path = ROOT) -> tuple[str, set[str]]:
    """Run Python with these words; return what it prints and the modules that it imports."""
    run = subprocess.run([sys.executable, "-X", "importtime", *command], cwd=cwd, capture_output=True, text=True)
    timed = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    said = [line for line in run.stderr.splitlines() if line not in timed]
    return "\n".join([run.stdout, *said]), {line.rpartition("|")[2].strip() for line in timed}


def test_every_import_is_declared_and_every_dependency_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared, optional = names_of(project["dependencies"]), project["optional-dependencies"]
    foreign = foreign_imports([path for _, path in sources() if not rooms_of(path)])
    assert foreign - COME_ALONG <= declared
    assert declared <= foreign
    for extra, room in ROOMS_OF_EXTRAS.items():
        brought = names_of(optional[extra])
        inside = foreign_imports([path for _, path in sources() if room in rooms_of(path)])
        assert inside - COME_ALONG <= declared | brought
        assert brought <= inside


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[><= ]", line)[0] for line in requirements}


def foreign_imports(paths: list[Path]) -> set[str]:
    """The distributions that files import from."""
    modules = {module.partition(".")[0] for path in paths for module in imports(path)}
    return {DISTRIBUTIONS.get(name, name) for name in modules - OURS - set(sys.stdlib_module_names)}


def rooms_of(path: Path) -> list[str]:
    """The rooms of extras in which a file lies: one or none."""
    return [room for room in ROOMS_OF_EXTRAS.values() if f"{module_of(path)}.".startswith(f"{room}.")]


def test_nothing_needs_what_an_extra_brings() -> None:
    for _, path in sources():
        entered = {room for room in ROOMS_OF_EXTRAS.values() for name in imports(path) if name.startswith(room)}
        assert entered <= {*rooms_of(path)}, path


def test_every_folder_is_installed() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {module_of(path.parent / "__init__.py") for package, path in sources() if package != "classify_image"}
    assert set(packages) == folders


def test_every_file_begins_by_saying_why_it_exists() -> None:
    for _, path in sources():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
