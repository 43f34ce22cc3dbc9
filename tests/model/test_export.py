"""An export folder stands alone, says all about the model, and is refused where it is damaged or made to do harm."""

import csv
import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model.card import FILES, ExportError, replace_by_newer, sums
from model.export import newest_export, read_export, write_export
from model.hyperparameters import Hyperparameters
from model.network import Net

WINNER = Hyperparameters(
    conv1_width=4, conv2_width=6, kernel_size=5, hidden_width=8, pool="early", dropout1=0.125, learning_rate=0.3
)
LABELS = torch.tensor([3, 1, 4])


@pytest.fixture
def net() -> Net:
    torch.manual_seed(1)
    return Net(**WINNER.architecture()).eval()


@pytest.fixture
def probabilities() -> Tensor:
    return torch.eye(10)[[3, 1, 5]] * 0.9 + 0.01


@pytest.fixture
def folder(tmp_path: Path, net: Net, probabilities: Tensor) -> Path:
    write(tmp_path / "runs" / "demo" / "export", net, probabilities)
    return tmp_path / "runs" / "demo" / "export"


def write(folder: Path, net: Net, probabilities: Tensor, **changes: Any) -> None:
    given: dict[str, Any] = {
        "classes": [str(digit) for digit in range(10)],
        "mean": 0.1307,
        "std": 0.3081,
        "metrics": {"val_accuracy": 0.99, "test_accuracy": 0.98},
        "provenance": {"dataset": "mnist", "trial": 7},
        "labels": LABELS,
        "probabilities": probabilities,
    }
    write_export(folder, net.state_dict(), WINNER, **given | changes)


def change_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | changes))
    sign(folder)


def sign(folder: Path) -> None:
    """As one would who wants a changed file to be believed."""
    (folder / "SHA256SUMS").write_bytes(sums({name: (folder / name).read_bytes() for name in FILES}))


def test_what_is_written_is_read_back(folder: Path, net: Net) -> None:
    export = read_export(folder)
    images = torch.randn(2, 1, 28, 28)
    assert torch.equal(export.net(images), net(images))
    assert not export.net.training
    assert export.hyperparameters == WINNER
    assert (export.mean, export.std) == (0.1307, 0.3081)
    assert export.classes == list("0123456789")
    assert export.metrics == {"val_accuracy": 0.99, "test_accuracy": 0.98}
    assert export.provenance == {"dataset": "mnist", "trial": 7}
    assert export.folder == folder


def test_the_card_says_what_a_reader_needs(folder: Path, net: Net) -> None:
    card = json.loads((folder / "model.json").read_text())
    assert card["format"] == 1
    assert card["hyperparameters"] == WINNER.model_dump()
    assert card["normalisation"] == {"mean": 0.1307, "std": 0.3081}
    assert card["sha256"] == sha256((folder / "mnist_cnn.pt").read_bytes()).hexdigest()
    assert card["num_parameters"] == sum(parameter.numel() for parameter in net.parameters())


def test_weights_are_plain_whatever_they_were(tmp_path: Path, net: Net, probabilities: Tensor) -> None:
    write(tmp_path / "export", net.to(torch.float64).to(memory_format=torch.channels_last), probabilities)
    weights = torch.load(tmp_path / "export" / "mnist_cnn.pt", weights_only=True)
    assert type(weights) is dict
    assert list(weights) == list(net.state_dict())
    assert all(weight.is_contiguous() and weight.dtype == torch.float32 for weight in weights.values())


def test_a_script_that_knows_only_torch_works_in_the_folder(folder: Path, net: Net) -> None:
    script = (
        "import torch; from mnist_cnn import Net; m = Net()\n"
        "m.load_state_dict(torch.load('mnist_cnn.pt', weights_only=True)); m.eval()\n"
        "import sys; assert 'model' not in sys.modules\n"
        "print(m(torch.ones(1, 1, 28, 28)).tolist()); print(m.dropout1.p)\n"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ran = subprocess.run(
        [sys.executable, "-s", "-c", script], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    output, dropout = ran.stdout.splitlines()
    assert json.loads(output) == [pytest.approx(row, abs=1e-5) for row in net(torch.ones(1, 1, 28, 28)).tolist()]
    assert float(dropout) == 0.125


def test_the_module_says_what_it_is(folder: Path) -> None:
    lines = (folder / "mnist_cnn.py").read_text().splitlines()
    assert lines[0].startswith('"""The network whose weights are in mnist_cnn.pt')
    assert '        pool: str = "early",' in lines


def test_predictions(folder: Path) -> None:
    with (folder / "test_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["index", "label", "prediction", "probability", "correct", *(f"p{k}" for k in range(10))]
    assert [row["prediction"] for row in rows] == ["3", "1", "5"]
    assert [row["correct"] for row in rows] == ["True", "True", "False"]
    assert rows[2]["label"] == "4"
    assert float(rows[0]["probability"]) == float(rows[0]["p3"]) == pytest.approx(0.91)


def test_mismatched_arguments_write_nothing(tmp_path: Path, net: Net, probabilities: Tensor) -> None:
    with pytest.raises(ValueError, match="probabilities have shape"):
        write(tmp_path / "export", net, probabilities[:2])
    with pytest.raises(ValueError, match="has shape"):
        write(tmp_path / "export", Net(), probabilities)
    net.fc2.bias.data[0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        write(tmp_path / "export", net, probabilities)
    assert list(tmp_path.iterdir()) == []


def test_an_older_export_is_replaced_whole(folder: Path, net: Net, probabilities: Tensor) -> None:
    (folder / "stray").touch()
    write(folder, net, probabilities, metrics={"val_accuracy": 0.5})
    assert read_export(folder).metrics == {"val_accuracy": 0.5}
    assert not (folder / "stray").exists()
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_crash_leaves_the_older_export_until_the_newer_is_put_in_its_place(
    folder: Path, net: Net, probabilities: Tensor, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    rename = Path.rename
    done: list[Path] = []

    def crash(path: Path, target: Path) -> Path:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        write(folder, net, probabilities, metrics={"val_accuracy": 0.5})
    monkeypatch.undo()
    assert folder.exists() == (renames == 0)
    assert read_export(folder).metrics["val_accuracy"] == 0.99
    assert read_export(newest_export(folder.parent.parent)).metrics["val_accuracy"] == 0.99
    replace_by_newer(folder)
    assert read_export(folder).metrics["val_accuracy"] == 0.5
    assert list(folder.parent.iterdir()) == [folder]


def test_a_newer_export_that_was_not_yet_whole_is_left_out(folder: Path, net: Net, probabilities: Tensor) -> None:
    new = folder.with_name(".export.new")
    shutil.copytree(folder, new)
    (new / "SHA256SUMS").unlink()  # the last to be written
    folder.rename(folder.with_name(".export.old"))
    replace_by_newer(folder)
    assert read_export(folder).metrics["val_accuracy"] == 0.99
    write(folder, net, probabilities, metrics={"val_accuracy": 0.5})
    assert read_export(folder).metrics == {"val_accuracy": 0.5}
    assert list(folder.parent.iterdir()) == [folder]


def replace_weights(folder: Path, contents: bytes) -> None:
    """With the right sums."""
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


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs coreutils")
def test_the_sums_are_those_that_sha256sum_checks(folder: Path) -> None:
    checked = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert checked.stdout.splitlines() == [f"{name}: OK" for name in FILES]
    assert {path.name for path in folder.iterdir()} == {*FILES, "SHA256SUMS"}


def test_the_newest_export_is_found(tmp_path: Path, folder: Path, net: Net, probabilities: Tensor) -> None:
    newer = folder.parent.parent / "another" / "export"
    write(newer, net, probabilities)
    os.utime(folder / "model.json", ns=(1, 1))
    assert newest_export(tmp_path / "runs") == newer
    os.utime(newer / "model.json", ns=(0, 0))
    assert newest_export(tmp_path / "runs") == folder
    with pytest.raises(ExportError, match=r"no export below '.*none'; run `make search` or name one with --model DIR"):
        newest_export(tmp_path / "none")
