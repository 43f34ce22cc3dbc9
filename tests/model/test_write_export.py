"""An export folder works on its own, describes its model, and is replaced as a whole or not at all."""

import ast
import csv
import inspect
import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import network
from model.card import FILES, replace_by_newer
from model.export import newest_export, read_export
from model.network import Net
from tests.model.exports import WINNER, alone, write


def test_the_card_describes_the_model(folder: Path, net: Net) -> None:
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
        "m.load_state_dict(torch.load('mnist_cnn.pt', weights_only=True), strict=True); m.eval()\n"
        "import sys; assert 'model' not in sys.modules\n"
        "print(m(torch.ones(1, 1, 28, 28)).tolist()); print(m.dropout1.p)\n"
    )
    output, dropout = alone(folder, script).splitlines()
    assert json.loads(output) == [pytest.approx(row, abs=1e-5) for row in net(torch.ones(1, 1, 28, 28)).tolist()]
    assert float(dropout) == 0.125


def test_the_module_is_used_as_any_other(folder: Path) -> None:
    script = (
        "import copy, inspect, io, torch; from mnist_cnn import Net\n"
        "other = Net(conv1_width=8, pool='late'); assert (other.conv1.out_channels, other.pool) == (8, 'late')\n"
        "assert other.conv2.out_channels == 6 and Net().conv1.out_channels == 4\n"
        "stored = io.BytesIO(); torch.save(other, stored); stored.seek(0)\n"
        "back = torch.load(stored, weights_only=False); assert type(back) is Net and back.conv1.out_channels == 8\n"
        "assert copy.deepcopy(back).pool == 'late'\n"
        "print({name: value.default for name, value in inspect.signature(Net).parameters.items()})\n"
    )
    assert alone(folder, script).strip() == str(
        {name: WINNER.architecture()[name] for name in inspect.signature(Net).parameters}
    )


def test_the_module_is_the_networks_source_below_words_of_its_own(folder: Path) -> None:
    text, source = (folder / "mnist_cnn.py").read_text(), Path(network.__file__).read_text()
    tree = ast.parse(text)
    assert str(ast.get_docstring(tree)).startswith("The network whose weights are in mnist_cnn.pt.")
    assert text.count(source.partition('"""\n')[2]) == 1
    assert not any(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body[1:])
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} == {"torch"}
    assert text.splitlines()[-10:-1] == [
        "Net.__init__.__kwdefaults__.update(",
        "    conv1_width=4,",
        "    conv2_width=6,",
        "    kernel_size=5,",
        "    pool='early',",
        "    batch_norm=False,",
        "    hidden_width=8,",
        "    dropout1=0.125,",
        "    dropout2=0.5,",
    ]


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


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs coreutils")
def test_the_sums_are_those_that_sha256sum_checks(folder: Path) -> None:
    checked = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert checked.stdout.splitlines() == [f"{name}: OK" for name in FILES]
    assert {path.name for path in folder.iterdir()} == {*FILES, "SHA256SUMS"}
