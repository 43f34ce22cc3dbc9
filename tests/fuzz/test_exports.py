"""Damaged or forged export folders are refused in one line, or classify exactly as before."""

import io
import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from PIL import Image

from model.card import FILES, ExportError, sums
from model.classify import Prediction, classify
from model.export import read_export
from model.hyperparameters import Hyperparameters
from model.network import Net
from model.write_export import write_export
from tests.fuzz.mutation import INPUTS, altered_table, every_input, mutated_bytes
from tests.fuzz.survival import assert_clear, survived


@pytest.fixture
def folder(whole_export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_export, tmp_path / "export"))


@pytest.fixture
def picture(seven: Image.Image, tmp_path: Path) -> Path:
    seven.save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


DAMAGES = st.sampled_from(["missing", "exchanged", "table", *["bytes"] * 9])


@st.composite
def damaged(draw: DrawFn, contents: dict[str, bytes]) -> tuple[str, bytes | None]:
    """Draw one of an export's files and its new content, None for a file that is gone."""
    name, kind = draw(st.sampled_from(list(contents))), draw(DAMAGES)
    if kind == "missing":
        return name, None
    if kind == "exchanged":
        return name, contents[draw(st.sampled_from(list(contents)))]
    if kind == "table" and name.endswith(".json"):
        return name, other_card(draw, contents[name])
    return name, mutated_bytes(draw, contents[name])


def other_card(draw: DrawFn, card: bytes) -> bytes:
    """Draw a card with altered values."""
    return json.dumps(altered_table(draw, json.loads(card)), default=str).encode()


def test_damaged_exports_classify_as_before_or_not_at_all(folder: Path, picture: Path) -> None:
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    before = classify([picture], read_export(folder))
    refused: list[bool] = []

    @every_input
    @given(damaged(contents))
    def test(change: tuple[str, bytes | None]) -> None:
        for name, content in {**contents, change[0]: change[1]}.items():
            (folder / name).unlink(missing_ok=True) if content is None else (folder / name).write_bytes(content)
        refused.append(True)
        with survived(ExportError, f"export ({change[0]})", folder):
            assert classify([picture], read_export(folder)) == before
            refused[-1] = False

    test()
    assert len(refused) >= INPUTS
    assert INPUTS / 4 < sum(refused) < INPUTS
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    assert classify([picture], read_export(folder)) == before


def signed(folder: Path) -> None:
    """Write all checksums anew, so that changed files look genuine."""
    try:
        card = json.loads((folder / "model.json").read_bytes())
        card["sha256"] = sha256((folder / "mnist_cnn.pt").read_bytes()).hexdigest()
        (folder / "model.json").write_text(json.dumps(card))
    except (ValueError, TypeError):
        pass  # it is no card any more
    (folder / "SHA256SUMS").write_bytes(sums({name: (folder / name).read_bytes() for name in FILES}))


def test_forged_exports_do_no_harm(folder: Path, picture: Path) -> None:
    contents = {name: (folder / name).read_bytes() for name in ("mnist_cnn.pt", "model.json")}
    read: list[bool] = []

    @every_input
    @given(forged(contents))
    def test(change: tuple[str, bytes]) -> None:
        for name, content in {**contents, change[0]: change[1]}.items():
            (folder / name).write_bytes(content)
        signed(folder)
        read.append(False)
        with survived(ExportError, f"forged export ({change[0]})", folder):
            assert_usable(classify([picture], read_export(folder))[0])
            read[-1] = True

    test()
    assert len(read) >= INPUTS
    assert 0 < sum(read) < INPUTS


@st.composite
def forged(draw: DrawFn, contents: dict[str, bytes]) -> tuple[str, bytes]:
    """Draw new weights or a new card; three of four are valid containers with other contents."""
    name = draw(st.sampled_from(("mnist_cnn.pt", "mnist_cnn.pt", "model.json")))
    if draw(st.integers(0, 3)) == 0:
        return name, mutated_bytes(draw, contents[name])
    return name, other_card(draw, contents[name]) if name == "model.json" else repacked(draw, contents[name])


def assert_usable(prediction: Prediction) -> None:
    """Assert that a prediction has probabilities, or a clear error."""
    if prediction.error:
        assert_clear(prediction.error, "prediction")
    else:
        assert sum(prediction.probabilities or []) == pytest.approx(1)


def repacked(draw: DrawFn, weights: bytes) -> bytes:
    """Draw the weights' ZIP file with one member damaged and all checksums right, so that its pickle is read too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(weights)) as old, zipfile.ZipFile(packed, "w") as new:
        pickle = draw(st.integers(0, 9)) < 7
        chosen = draw(st.sampled_from([name for name in old.namelist() if name.endswith("data.pkl") == pickle]))
        for name in old.namelist():
            new.writestr(name, mutated_bytes(draw, old.read(name)) if name == chosen else old.read(name))
    return packed.getvalue()


def test_weights_that_unpack_to_far_more(tmp_path: Path) -> None:
    """One megabyte in place of 5 MB of weights unpacks to more than a gibibyte and is refused."""
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
    weights["fc1.weight"] = torch.zeros(1).expand(10**6, 10**6)  # 4 TB if it were written out
    torch.save(weights, folder / "mnist_cnn.pt")
    signed(folder)
    with survived(ExportError, "huge tensor", folder):
        read_export(folder)
        pytest.fail("believed")
