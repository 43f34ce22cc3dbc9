"""An export as an ONNX file answers as in PyTorch on all test images, for a program that knows onnxruntime alone."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from model.calibration import calibrated
from model.card import read_card, read_whole
from model.data import Dataset, load_dataset
from model.export import read_export
from model.export_onnx import onnx_file
from model.export_onnx.__main__ import app
from model.export_onnx.onnx_file import FILE, OnnxError, check, write_onnx
from model.hyperparameters import Hyperparameters
from model.source import images_at_hand
from model.train import fit, predict, start
from tests.harness import torch_threads
from tests.model.exports import WINNER, alone, write

DOCS = Path(__file__).parents[3] / "docs" / "onnx.md"


@pytest.fixture(scope="module")
def mnist(mnist_root: Path) -> Dataset:
    return load_dataset("mnist", mnist_root, train_images=4_000)


@pytest.fixture(scope="module")
def folder(mnist: Dataset, mnist_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a network that has learned from 4,000 images, with its ONNX file, as the command writes it."""
    hyperparameters = Hyperparameters(
        **WINNER.model_dump() | {"epochs": 1, "optimizer": "adamw", "learning_rate": 0.01}
    )
    state = start(hyperparameters, seed=0, number=0, device=torch.device("cpu"))
    with torch_threads(1):
        list(fit(state, mnist))
    folder = tmp_path_factory.mktemp("runs") / "run" / "export"
    write(folder, state.net, torch.eye(10)[[3, 1, 5]], mean=mnist.mean, std=mnist.std, classes=list("abcdefghij"))
    done = CliRunner().invoke(app, [str(folder.parent)], env={"DIGIT_SEARCH_DATA": str(mnist_root)})
    assert (done.exit_code, done.stdout) == (0, f"{folder / FILE}\n"), done.output
    said = r"note: same classes as in PyTorch, logits within \d\.\de-0\d, on 10,000 test images of mnist\n"
    assert re.fullmatch(said, done.stderr)
    return folder


def test_all_test_images_are_answered_as_in_pytorch(folder: Path, mnist: Dataset) -> None:
    export, session = read_export(folder), onnxruntime.InferenceSession(folder / FILE)
    logits, probabilities = session.run(None, {"pixels": mnist.test.images[:, None].numpy()})
    with torch.inference_mode():
        expected = calibrated(predict(export.net, mnist.test.images, mnist.mean, mnist.std), export.temperature)
    assert len(logits) == 10_000
    assert (probabilities.argmax(1) == expected.argmax(1).numpy()).all()
    assert np.abs(probabilities - expected.exp().numpy()).max() < 1e-4
    assert (torch.from_numpy(logits).log_softmax(1) - expected).abs().max() < 1e-4
    assert (probabilities.argmax(1) == mnist.test.labels.numpy()).mean() > 0.5  # so it says something of its images
    for few in (1, 3):
        again = session.run(["logits"], {"pixels": mnist.test.images[:few, None].numpy()})[0]
        assert np.abs(again - logits[:few]).max() < 1e-4


def test_the_file_is_plain_and_says_what_it_is(folder: Path) -> None:
    model = onnx.load(folder / FILE)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == list("abcdefghij")
    assert about["sha256"] == read_card(folder).sha256
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    pixels = model.graph.input[0].type.tensor_type
    assert pixels.elem_type == onnx.TensorProto.UINT8
    assert [side.dim_param or side.dim_value for side in pixels.shape.dim] == ["N", 1, 28, 28]
    for weights in model.graph.initializer:
        weights.ClearField("raw_data")
    words = str(model)
    assert "Conv" in words
    assert not re.search("torch|/|[.]py", words)


def test_it_belongs_to_the_export_and_its_sums(folder: Path) -> None:
    assert read_whole(folder).classes == list("abcdefghij")
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, f"{FILE}: OK" in done.stdout) == (0, True), done.stderr
    assert "mnist_cnn.py: OK" in done.stdout


def test_the_lines_of_the_page_run_without_this_project(folder: Path, mnist: Dataset) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert len([line for line in lines.splitlines() if line]) <= 10
    Image.fromarray(mnist.test.images[0].numpy()).save(folder / "digit.png")
    name, probability = alone(folder, lines).split()
    session = onnxruntime.InferenceSession(folder / FILE)
    [expected] = session.run(["probabilities"], {"pixels": mnist.test.images[:1, None].numpy()})
    assert name == "abcdefghij"[expected.argmax()]
    assert float(probability) == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.parametrize("wrong", ["temperature", "mean"])
def test_a_file_that_answers_otherwise_is_refused(folder: Path, mnist: Dataset, wrong: str) -> None:
    export = read_export(folder)
    changed = replace(export, **{wrong: getattr(export, wrong) + 0.001})
    contents = (folder / FILE).read_bytes()
    with pytest.raises(OnnxError, match="answers otherwise than PyTorch, so it was not written: on a few, 0 classes"):
        check(contents, changed, mnist.test.images[:100], "a few")
    check(contents, export, mnist.test.images[:100], "a few")


def test_the_file_may_lie_elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(onnx_file, "onnx_of", lambda *_: before[FILE])
    monkeypatch.setenv("DIGIT_SEARCH_DATA", str(tmp_path / "none"))
    written = write_onnx(folder, tmp_path / "new" / "digits.onnx")
    assert written.path.read_bytes() == before[FILE]
    assert written.images == f"1,000 images of noise, since those of mnist are not in {tmp_path / 'none'}"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_images_of_a_check_are_those_at_hand(tiny_root: Path, tmp_path: Path) -> None:
    for name, root, count in (("mnist", tiny_root, 100), ("uci-digits", tmp_path, 300)):
        images = images_at_hand(name, root)
        assert images is not None
        assert images.shape == (count, 28, 28)
    assert images_at_hand("kmnist", tiny_root) is None  # and nothing is downloaded
    assert images_at_hand("None", tiny_root) is None
    assert not any(tmp_path.iterdir())


def test_what_is_missing_is_named_with_its_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "model.export_onnx.onnx_file")
    done = CliRunner().invoke(app, [str(folder)])
    error = "error: model.export_onnx: needs onnxscript, which is not installed; pip install '.[onnx]'\n"
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", error)


def test_a_folder_that_is_no_export_is_refused_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(tmp_path)])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: {tmp_path / 'model.json'}")
