"""Files made to do harm are refused, nothing in them is ever executed, and no code of ours could do so."""

import ast
import os
import pickle
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import datasets

from model.card import FILES, ExportError, ModelCard, sums
from model.checkpoint import FILE, CheckpointError, load
from model.data import DataError, load_dataset
from model.export import read_export
from model.hyperparameters import Hyperparameters
from model.network import Net
from model.write_export import write_export
from search import run
from search.experiment import parse_experiment
from search.progress import Progress
from tests.test_architecture import sources

TINY = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4)
HARMS = ["pickle", "legacy", "zip", "zip within weights"]
UNPICKLING = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml", "runpy"}
EXECUTING = {"eval", "exec", "compile", "__import__", "importlib.import_module", "os.system", "os.popen"}
LOADING = {"torch.jit.load", "torch.export.load", "torch.hub.load", "pandas.read_pickle"}
ASKED_FOR = {"shell", "allow_pickle"}  # what a call may only have as False


class Harm:
    """Touches a file when it is unpickled: the canary."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def harmful(canary: Path, form: str) -> bytes:
    """A file that touches the canary if it is believed: a bare pickle, or one in each container of torch.save."""
    if form == "pickle":
        return pickle.dumps(Harm(canary))
    stored = BytesIO()
    content = {**Net(**TINY.architecture()).state_dict(), "harm": Harm(canary)} if "within" in form else Harm(canary)
    torch.save(content, stored, _use_new_zipfile_serialization=form != "legacy")
    return stored.getvalue()


@pytest.mark.parametrize("form", HARMS)
def test_the_canary_works(canary: Path, form: str) -> None:
    """Each file would do its harm if it were unpickled."""
    contents = harmful(canary, form)
    if form == "pickle":
        pickle.loads(contents)
    else:
        torch.load(BytesIO(contents), weights_only=False)
    assert canary.exists()


@pytest.mark.parametrize("form", HARMS)
def test_a_training_state_is_never_executed(tmp_path: Path, canary: Path, form: str) -> None:
    contents = harmful(canary, form)
    for digest in (sha256(contents).digest(), b""):
        (tmp_path / FILE).write_bytes(digest + contents)
        with pytest.raises(CheckpointError) as caught:
            load(tmp_path, torch.device("cpu"))
        assert "\n" not in str(caught.value)
    assert not canary.exists()


@pytest.mark.parametrize("form", HARMS)
def test_an_export_is_never_executed(tmp_path: Path, canary: Path, form: str) -> None:
    folder, contents = tmp_path / "export", harmful(canary, form)
    write_tiny(folder)
    with_sum = ModelCard.model_validate_json((folder / "model.json").read_bytes()).model_copy(
        update={"sha256": sha256(contents).hexdigest()}
    )
    files = {name: (folder / name).read_bytes() for name in FILES}
    files |= {"mnist_cnn.pt": contents, "model.json": with_sum.model_dump_json().encode()}
    for name, content in {**files, "SHA256SUMS": sums(files)}.items():  # all sums as they should be
        (folder / name).write_bytes(content)
    with pytest.raises(ExportError, match="unusable weights") as caught:
        read_export(folder)
    assert "\n" not in str(caught.value)
    assert not canary.exists()


@pytest.mark.parametrize("form", HARMS)
def test_torchvisions_old_cache_is_never_executed(
    tmp_path: Path, canary: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.MNIST, "download", lambda _: (_ for _ in ()).throw(OSError("no network")))
    folder = tmp_path / "MNIST" / "processed"
    folder.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        (folder / name).write_bytes(harmful(canary, form))
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", tmp_path)
    assert "\n" not in str(caught.value)
    assert not canary.exists()


def imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, whatever it is called in this source."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops = {alias.name.partition(".")[0] for alias in node.names if alias.asname is None}
            names |= {top: top for top in tops} | {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dangers(source: str) -> list[str]:
    """What in a source could execute what it reads."""
    tree = ast.parse(source)
    names = imported(tree)
    found = [full for full in names.values() if full.partition(".")[0] in UNPICKLING]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            found += {names.get(first, first) + dot + rest} & (EXECUTING | LOADING)
        elif isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            found += [f"{name}={given[name]}" for name in ASKED_FOR & given.keys() if given[name] != "False"]
            if names.get(first, first) + dot + rest == "torch.load" and given.get("weights_only") != "True":
                found.append("torch.load")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "run = exec",
        "import pickle",
        "from pickle import loads as read",
        "import os as system; system.system(line)",
        "from os import system; system(line)",
        "import subprocess; subprocess.run(line, shell=True)",
        "import numpy as np; np.load(file, allow_pickle=anything)",
        "import pandas as pd; pd.read_pickle(file)",
        "import torch; torch.load(file)",
        "import torch; torch.load(file, weights_only=trusted)",
        "from torch import load as read; read(file, weights_only=False)",
        "import torch; torch.jit.load(file)",
    ],
)
def test_dangers_are_found(source: str) -> None:
    assert dangers(source)


def test_no_code_of_ours_executes_what_it_reads() -> None:
    assert dangers("import torch; torch.load(file, weights_only=True).eval(); subprocess.run(line, shell=False)") == []
    found = {path.name: dangers(path.read_text(encoding="utf-8")) for _, path in sources()}
    assert len(found) > 40
    assert {name: what for name, what in found.items() if what} == {}


def test_a_run_folder_of_another_user_is_told_in_one_line(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, mine = [], os.getuid()

    def connect(opening: run.Run, _address: str | None) -> Any:
        opened.append(opening.run_dir)
        raise KeyboardInterrupt  # far enough

    experiment = parse_experiment({"data": {"validation_images": 100}, "search": {"trials": 1}})
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    with pytest.raises(KeyboardInterrupt):
        run.run_search(experiment, ours, Progress(quiet=True), data=tiny_root, connect=connect)
    if mine == 0:
        os.chown(theirs, 65_534, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(KeyboardInterrupt):
        run.run_search(experiment, theirs, Progress(quiet=True), data=tiny_root, connect=connect)
    other = theirs.stat().st_uid
    said = f"{theirs} belongs to another user (id {other}): to go on with it is to trust them with this run"
    assert capsys.readouterr().err.splitlines() == [said]
    assert opened == [ours, theirs]


def write_tiny(folder: Path) -> None:
    labels = torch.tensor([0, 1])
    write_export(
        folder,
        Net(**TINY.architecture()).state_dict(),
        TINY,
        classes=list("0123456789"),
        mean=0.1307,
        std=0.3081,
        metrics={},
        provenance={},
        labels=labels,
        probabilities=torch.eye(10)[labels],
    )
