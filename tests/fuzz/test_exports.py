"""Export folders damaged or tampered with: refused in one line, or they classify exactly as they did."""

import io
import json
import random
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from PIL import Image

from model.card import FILES, ExportError, sums
from model.classify import Prediction, classify
from model.export import read_export, write_export
from model.hyperparameters import Hyperparameters
from model.network import Net
from tests.fuzz.mutation import INPUTS, altered, mutated
from tests.fuzz.survival import assert_clear, survived


@pytest.fixture
def folder(whole_export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_export, tmp_path / "export"))


@pytest.fixture
def picture(seven: Image.Image, tmp_path: Path) -> Path:
    seven.save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def test_damaged_exports_never_say_anything_else(folder: Path, picture: Path) -> None:
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    before = classify([picture], read_export(folder))
    refused = 0
    for number in range(INPUTS):
        generator = random.Random(f"export {number}")
        name = generator.choice(list(contents))
        match generator.randrange(12):
            case 0:
                (folder / name).unlink()
            case 1:
                (folder / name).write_bytes(contents[generator.choice(list(contents))])
            case 2 if name.endswith(".json"):
                (folder / name).write_text(json.dumps(altered(json.loads(contents[name]), generator), default=str))
            case _:
                (folder / name).write_bytes(mutated(contents[name], generator))
        refused += 1
        with survived(ExportError, f"export {number} ({name})", folder):
            assert classify([picture], read_export(folder)) == before
            refused -= 1
        (folder / name).write_bytes(contents[name])
    assert INPUTS / 4 < refused < INPUTS
    assert classify([picture], read_export(folder)) == before


def signed(folder: Path) -> None:
    """Make all checksums right again, as one would who wants the folder to be believed."""
    try:
        card = json.loads((folder / "model.json").read_bytes())
        card["sha256"] = sha256((folder / "mnist_cnn.pt").read_bytes()).hexdigest()
        (folder / "model.json").write_text(json.dumps(card))
    except (ValueError, TypeError):
        pass  # no card any more
    (folder / "SHA256SUMS").write_bytes(sums({name: (folder / name).read_bytes() for name in FILES}))


def test_forged_exports_do_no_harm(folder: Path, picture: Path) -> None:
    contents = {name: (folder / name).read_bytes() for name in ("mnist_cnn.pt", "model.json")}
    read = 0
    for number in range(INPUTS):
        generator = random.Random(f"forged {number}")
        name = generator.choice(("mnist_cnn.pt", "mnist_cnn.pt", "model.json"))
        if name.endswith(".json") and number % 4:
            forged = json.dumps(altered(json.loads(contents[name]), generator), default=str).encode()
        elif name.endswith(".pt") and number % 4:
            forged = repacked(contents[name], generator)
        else:
            forged = mutated(contents[name], generator)
        (folder / name).write_bytes(forged)
        signed(folder)
        with survived(ExportError, f"forged export {number} ({name})", folder):
            told(classify([picture], read_export(folder))[0])
            read += 1
        for other, content in contents.items():
            (folder / other).write_bytes(content)
    assert 0 < read < INPUTS


def told(prediction: Prediction) -> None:
    if prediction.error:
        assert_clear(prediction.error, "prediction")
    else:
        assert sum(prediction.probabilities or []) == pytest.approx(1)


def repacked(weights: bytes, generator: random.Random) -> bytes:
    """The ZIP file of the weights with one member damaged and all checksums right, so that its pickle is met too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(weights)) as old, zipfile.ZipFile(packed, "w") as new:
        pickle = generator.random() < 0.7
        chosen = generator.choice([name for name in old.namelist() if name.endswith("data.pkl") == pickle])
        for name in old.namelist():
            new.writestr(name, mutated(old.read(name), generator) if name == chosen else old.read(name))
    return packed.getvalue()


def test_weights_that_unpack_to_far_more(tmp_path: Path) -> None:
    """A megabyte that becomes more than a gibibyte, in the weights of the article's network: 5 MB are expected."""
    folder = tmp_path / "export"
    write_export(
        folder, Net().state_dict(), Hyperparameters(), classes=list("0123456789"), mean=0.1, std=0.3, metrics={},
        provenance={}, labels=torch.tensor([1]), probabilities=torch.eye(10)[:1],
    )  # fmt: skip
    with zipfile.ZipFile(folder / "mnist_cnn.pt") as old:
        members = {name: old.read(name) for name in old.namelist()}
    largest = max(members, key=lambda name: len(members[name]))
    with zipfile.ZipFile(folder / "mnist_cnn.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            with new.open(name, "w", force_zip64=True) as member:
                member.write(b"" if name == largest else content)
                for _ in range(12 if name == largest else 0):
                    member.write(bytes(100_000_000))
    signed(folder)
    with survived(ExportError, "ZIP bomb", folder):
        read_export(folder)
        pytest.fail("believed")


def test_a_tensor_that_claims_to_be_huge(folder: Path) -> None:
    weights = torch.load(folder / "mnist_cnn.pt", weights_only=True)
    weights["fc1.weight"] = torch.zeros(1).expand(10**6, 10**6)  # 4 TB were it written out
    torch.save(weights, folder / "mnist_cnn.pt")
    signed(folder)
    with survived(ExportError, "huge tensor", folder):
        read_export(folder)
        pytest.fail("believed")
