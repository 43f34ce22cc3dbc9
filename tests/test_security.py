"""Files made to do harm are refused, and nothing in them is ever executed."""

import pickle
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
import torch
from torchvision import datasets

from model.card import FILES, ExportError, ModelCard, sums
from model.checkpoint import FILE, CheckpointError, load
from model.data import DataError, load_dataset
from model.export import read_export, write_export
from model.hyperparameters import Hyperparameters
from model.network import Net

TINY = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4)
HARMS = ["pickle", "legacy", "zip", "zip within weights"]


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
