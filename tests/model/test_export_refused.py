"""A damaged or harmful export is refused in one line before anything in it is loaded."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from model.card import ExportError
from model.export import read_export
from model.network import Net
from tests.model.exports import WINNER, change_card, sign


def replace_weights(folder: Path, contents: bytes) -> None:
    """Replace mnist_cnn.pt, with checksums that fit."""
    (folder / "mnist_cnn.pt").write_bytes(contents)
    change_card(folder, sha256=sha256(contents).hexdigest())


def saved(folder: Path, weights: object) -> bytes:
    torch.save(weights, folder / "other.pt")
    return (folder / "other.pt").read_bytes()


def assert_refused(folder: Path, why: str) -> None:
    with pytest.raises(ExportError, match=why) as caught:
        read_export(folder)
    text = str(caught.value)
    assert str(folder) in text
    assert "; " in text
    assert "\n" not in text


def test_damaged_weights_are_refused_before_they_are_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = bytearray((folder / "mnist_cnn.pt").read_bytes())
    contents[len(contents) // 2] ^= 1
    (folder / "mnist_cnn.pt").write_bytes(contents)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded"))
    assert_refused(folder, r"mnist_cnn\.pt: damaged or changed")
    sign(folder)
    assert_refused(folder, r"SHA-256 is .*, model\.json says")


def test_the_standalone_module_is_never_executed(folder: Path) -> None:
    (folder / "mnist_cnn.py").write_text("raise SystemExit('executed')")
    read_export(folder)


def test_weights_that_do_not_fit_are_refused(folder: Path, net: Net) -> None:
    weights = dict(net.state_dict())
    for other, why in (
        ({name: weights[name] for name in list(weights)[1:]}, "names must be"),
        ([1, 2], "names must be"),
        (weights | {"fc2.bias": weights["fc2.bias"].double()}, "fc2.bias must be a dense float32"),
        (weights | {"fc2.bias": weights["fc2.bias"][:9]}, "fc2.bias has shape"),
        (weights | {"fc2.bias": weights["fc2.bias"] * float("inf")}, "fc2.bias holds numbers that are not finite"),
        (weights | {"fc2.bias": 3}, "fc2.bias must be"),
    ):
        replace_weights(folder, saved(folder, other))
        assert_refused(folder, why)
    replace_weights(folder, b"")
    assert_refused(folder, "unusable weights")
    (folder / "mnist_cnn.pt").unlink()
    assert_refused(folder, "cannot be read")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"format": 2}, "format"),
        ({"hyperparameters": WINNER.model_dump() | {"conv1_width": -1}}, "hyperparameters.conv1_width"),
        ({"normalisation": {"mean": 0.1, "std": 0}}, "normalisation.std"),
        ({"classes": ["0"]}, "classes"),
        ({"sha256": "x"}, "sha256"),
        ({"num_parameters": "many"}, "num_parameters"),
        ({"surprise": 1}, "surprise"),
        ({"hyperparameters": WINNER.model_dump() | {"conv2_width": 7}}, "has shape"),
        ({"hyperparameters": WINNER.model_dump() | {"conv2_width": 1024, "hidden_width": 8192}}, "has shape"),
    ],
)
def test_a_damaged_card_is_refused(folder: Path, changes: dict[str, Any], where: str) -> None:
    change_card(folder, **changes)
    assert_refused(folder, where)


def test_a_card_that_is_no_card_is_refused(folder: Path) -> None:
    card = folder / "model.json"
    for contents, why in ((b"", "contents"), (b"{", "contents"), (b"[]", "contents"), (b" " * 1_000_001, "more than")):
        card.write_bytes(contents)
        sign(folder)
        assert_refused(folder, why)
    card.unlink()
    assert_refused(folder, "name an export folder")
