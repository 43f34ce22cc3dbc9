"""A model's card is believed only where SHA256SUMS agrees, wherever a kill left the folder."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from model.card import FILES, ExportError, ModelCard, Normalisation, read_card, read_whole, replace_by_newer, sums
from model.hyperparameters import RECIPE

CARD = ModelCard(
    hyperparameters=RECIPE,
    classes=list("0123456789"),
    normalisation=Normalisation(mean=0.1307, std=0.3081),
    temperature=1.5,
    metrics={"test_accuracy": 0.99},
    provenance={"dataset": "mnist"},
    sha256="0" * 64,
    num_parameters=7,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    files = {name: name.encode() for name in FILES} | {"model.json": CARD.model_dump_json().encode()}
    for name, contents in {**files, "SHA256SUMS": sums(files)}.items():
        (folder / name).write_bytes(contents)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ExportError) as caught:
        read_card(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_card_is_read(folder: Path) -> None:
    assert read_card(folder) == read_whole(folder) == CARD


def test_a_card_of_an_earlier_version_has_the_temperature_1() -> None:
    card = CARD.model_dump()
    del card["temperature"]
    assert ModelCard(**card).temperature == 1


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf"), "2"])
def test_a_temperature_is_a_finite_number_above_0(wrong: object) -> None:
    with pytest.raises(ValidationError, match="temperature"):
        ModelCard(**{**CARD.model_dump(), "temperature": wrong})


def test_a_plausible_change_is_refused(folder: Path) -> None:
    card = folder / "model.json"
    card.write_text(card.read_text().replace("0.1307", "0.1317"))
    assert refusal(folder) == (
        f"{card}: damaged or changed: SHA256SUMS beside it holds no such SHA-256 for it; "
        "name an export folder that is whole, or write this one again: python -m search confirm RUN_DIR"
    )


@pytest.mark.parametrize("contents", [b"", b"model.json", b"\0" * 500, b"a" * 10_001])
def test_sums_that_are_none_are_refused(folder: Path, contents: bytes) -> None:
    (folder / "SHA256SUMS").write_bytes(contents)
    assert "SHA256SUMS" in refusal(folder)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()
    assert f"{folder / 'SHA256SUMS'}: cannot be read (No such file" in refusal(folder)
    (folder / "model.json").unlink()
    assert f"{folder / 'model.json'}: cannot be read (No such file" in refusal(folder)


@pytest.mark.parametrize("name", FILES)
def test_every_file_counts_for_the_whole(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(ExportError, match=f"{name}: damaged or changed") as caught:
        read_whole(folder)
    assert (
        caught.value.fault == f"{folder / name}: damaged or changed: SHA256SUMS beside it holds no such SHA-256 for it"
    )


def test_a_folder_set_aside_is_read_there_and_put_back(folder: Path) -> None:
    folder.rename(folder.with_name(".export.old"))
    assert read_whole(folder) == CARD
    replace_by_newer(folder)
    replace_by_newer(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["export"]
    assert read_whole(folder) == CARD


def test_an_older_copy_never_takes_the_place_of_the_newer(folder: Path) -> None:
    folder.with_name(".export.old").mkdir()  # left by a kill before the older export was deleted
    replace_by_newer(folder)
    assert read_whole(folder) == CARD


def test_a_reader_needs_no_torch() -> None:
    code = "import model.card, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
