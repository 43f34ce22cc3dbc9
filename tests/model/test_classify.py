"""Pictures are classified in order, in one batch, with errors as text, by function and by command."""

import io
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import model.classify
from classify_image import app
from model.answers import COLUMNS
from model.classify import classify
from model.export import Export, read_export
from model.hyperparameters import Hyperparameters
from model.image import load_digit
from model.network import Net
from model.novelty import AXES, Novelty, novelty
from model.write_export import write_export

ROOT = Path(__file__).parents[2]
SMALL = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4, pool="early")


def write(folder: Path, dataset: str = "mnist", classes: str = "0123456789", unlike: Novelty | None = None) -> Path:
    torch.manual_seed(3)
    net = Net(**SMALL.architecture())
    with torch.no_grad():
        net.fc2.weight *= 1e6
    write_export(
        folder, net.state_dict(), SMALL, classes=list(classes), mean=0.2, std=0.4,
        novelty=unlike, metrics={}, provenance={"dataset": dataset},
        labels=torch.tensor([1]), probabilities=torch.eye(10)[:1],
    )  # fmt: skip
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return read_export(write(tmp_path / "runs" / "demo" / "export"))


def draw(path: Path, slant: int = 0) -> str:
    image = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(image).line((50 - slant, 10, 50 + slant, 90), fill=0, width=8)
    image.save(path, format="png")
    return str(path)


@pytest.fixture
def here(tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a model below runs/, one.png, two.png and broken.png."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "one.png")
    draw(tmp_path / "two.png", slant=30)
    (tmp_path / "broken.png").write_text("no picture")
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_predictions_are_the_networks_in_order(here: Path, export: Export) -> None:
    predictions = classify(["two.png", "broken.png", here / "one.png"], export)
    assert [prediction.image for prediction in predictions] == ["two.png", "broken.png", str(here / "one.png")]
    for prediction, name in ((predictions[0], "two.png"), (predictions[2], "one.png")):
        image = (load_digit(Path(name)).float()[None, None] / 255 - 0.2) / 0.4
        expected = export.net(image).exp()[0].tolist()
        assert prediction.probabilities == pytest.approx(expected, abs=1e-6)
        assert prediction.probability == max(prediction.probabilities or [])
        assert prediction.digit == expected.index(max(expected))
        assert prediction.error is None
    broken = predictions[1]
    assert (broken.digit, broken.probability, broken.probabilities) == (None, None, None)
    assert "broken.png: not a readable picture" in str(broken.error)


def test_probabilities_are_at_the_temperature_of_the_model(here: Path, export: Export) -> None:
    cold = classify(["one.png"], export)[0].probabilities or []
    warm = classify(["one.png"], replace(export, temperature=2e6))[0].probabilities or []
    assert warm.index(max(warm)) == cold.index(max(cold))
    assert max(warm) < 0.999 < max(cold)
    with torch.inference_mode():
        answer = export.net((load_digit(Path("one.png")).float()[None, None] / 255 - 0.2) / 0.4).double()
    assert warm == pytest.approx((answer / 2e6).softmax(dim=1)[0].tolist(), abs=1e-9)


def test_pictures_go_through_the_network_together(here: Path, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    export.net.register_forward_pre_hook(lambda _, images: sizes.append(len(images[0])))
    one_by_one = [classify([name], export)[0] for name in ("one.png", "two.png")]
    assert sizes == [1, 1]
    sizes.clear()
    monkeypatch.setattr(model.classify, "BATCH", 3)
    together = classify(["one.png", "two.png", "broken.png", "two.png"], export)
    assert sizes == [2, 1]
    assert [prediction.digit for prediction in together[:2]] == [prediction.digit for prediction in one_by_one]
    assert classify(["broken.png"], export)[0].error
    assert classify([], export) == []


def test_one_line_per_picture(here: Path, export: Export) -> None:
    code, out, err = run("one.png", "two.png")
    assert (code, err) == (0, "model: runs/demo/export\n")
    predictions = classify(["one.png", "two.png"], export)
    assert out.splitlines() == [f"{p.image}: {p.digit} ({100 * (p.probability or 0):.1f} %)" for p in predictions]


def test_what_was_not_named_is_told(here: Path) -> None:
    for words, told in (([], True), (["--model", "runs/demo"], True), (["--model", "runs/demo/export"], False)):
        for form in ([], ["--json"], ["--csv"]):
            code, _, err = run("one.png", *words, *form)
            assert (code, err) == (0, "model: runs/demo/export\n" if told else "")


def test_a_table(here: Path, export: Export) -> None:
    draw(here / "a, 1\n.png")
    code, out, _ = run("--csv", "one.png", "broken.png", "a, 1\n.png")
    assert code == 1
    assert out.splitlines()[0].split(",") == list(COLUMNS)
    rows = pd.read_csv(io.StringIO(out), float_precision="round_trip")
    assert list(rows.image) == ["one.png", "broken.png", "a, 1\n.png"]
    shares = rows[[f"p{digit}" for digit in range(10)]]
    for index, expected in enumerate(classify([*rows.image], export)):
        found = rows.loc[index]
        if expected.error:
            assert found.error == expected.error
            assert found.drop(["image", "error"]).isna().all()
        else:
            assert pd.isna(found.error)
            assert (found.digit, found.probability) == (expected.digit, expected.probability)
            assert shares.loc[index].tolist() == expected.probabilities


def test_one_form_at_a_time(here: Path) -> None:
    error = "error: --json and --csv: only one of them can be printed; leave one out\n"
    assert run("one.png", "--json", "--csv") == (2, "", error)


def test_each_picture_is_counted_once_it_is_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[int] = []
    read: list[None] = []

    def counted(total: int) -> Any:
        totals.append(total)
        return nullcontext(lambda: read.append(None))

    monkeypatch.setattr("model.waiting.counted", counted)
    run("one.png", "broken.png", "two.png")
    assert (totals, len(read)) == ([3], 3)


def test_top(here: Path, export: Export) -> None:
    code, out, _ = run("one.png", "--top", "3")
    row = classify(["one.png"], export)[0].probabilities or []
    ranked = sorted(range(10), key=lambda digit: -row[digit])[:3]
    assert code == 0
    assert out.strip() == "one.png: " + ", ".join(f"{digit} ({100 * row[digit]:.1f} %)" for digit in ranked)


def test_a_broken_picture_does_not_stop_the_others(here: Path) -> None:
    code, out, err = run("broken.png", "one.png", "none.png")
    assert code == 1
    assert len(out.splitlines()) == 1
    assert [line.partition(":")[0] for line in err.splitlines()] == ["model", "broken.png", "none.png"]


def test_json(here: Path, export: Export) -> None:
    code, out, err = run("--json", "one.png", "broken.png", "--model", "runs/demo/export")
    assert (code, err) == (1, "")
    good, bad = json.loads(out)
    assert list(good) == list(bad) == ["image", "digit", "probability", "probabilities", "error"]
    assert len(good["probabilities"]) == 10
    assert good["probability"] == good["probabilities"][good["digit"]]
    assert good["error"] is None
    assert (bad["image"], bad["digit"], bad["probability"], bad["probabilities"]) == ("broken.png", None, None, None)
    assert "not a readable picture" in bad["error"]


def test_bad_usage_and_unusable_models_exit_with_2(here: Path) -> None:
    assert run()[0] == 2
    assert run("one.png", "--top", "11")[0] == 2
    for arguments, why in ((["--model", "nowhere"], "nowhere"), (["--model", "runs/demo/export"], "SHA-256")):
        (here / "runs/demo/export/mnist_cnn.pt").write_bytes(b"damaged")
        code, out, err = run("one.png", *arguments)
        assert (code, out) == (2, "")
        assert why in err
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1


def test_without_a_model_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(draw(tmp_path / "one.png"))
    assert (code, len(err.splitlines())) == (2, 1)
    assert "run `make search`" in err


def test_class_names_and_the_fallback_data_set_are_named(here: Path) -> None:
    code, out, err = run("one.png", "--model", str(write(here / "letters", "uci-digits", "abcdefghij")))
    assert code == 0
    assert out.split()[1] in "abcdefghij"
    assert len(err.splitlines()) == 1
    assert "UCI digits" in err


def test_strange_names_stay_one_line(here: Path) -> None:
    names = [b"two\nlines.png", b"not utf-8 \xff.png", "größe.png".encode()]
    for name in names:
        draw(here / os.fsdecode(name))
    command = [os.fsencode(sys.executable), os.fsencode(ROOT / "classify_image.py"), *names, b"no\nsuch.png"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr
    assert [line.partition(": ")[0] for line in ran.stdout.splitlines()] == [
        r"two\nlines.png",
        r"not utf-8 \udcff.png",
        r"gr\xf6\xdfe.png",
    ]
    assert [line.partition(": ")[0] for line in ran.stderr.splitlines()] == ["model", r"no\nsuch.png"]
    output = subprocess.run([*command[:2], b"--json", *names], cwd=here, capture_output=True, check=True).stdout
    assert [os.fsencode(prediction["image"]) for prediction in json.loads(output)] == names


def test_help_does_not_wait_for_torch() -> None:
    command = [sys.executable, "-X", "importtime", str(ROOT / "classify_image.py"), "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--model DIR" in ran.stdout
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "typer" in imported
    assert {name for name in imported if name.startswith("model.")} <= {
        "model.completion",
        "model.errors",
        "model.files",
    }
    assert not imported & {"torch", "numpy", "PIL", "pydantic"}


def test_a_prediction_is_a_value(here: Path, export: Export) -> None:
    prediction = classify(["one.png"], export)[0]
    assert replace(prediction) == prediction
    with pytest.raises(AttributeError):
        prediction.digit = 3  # type: ignore[misc]


def test_what_is_novel_to_the_network_is_no_digit(here: Path) -> None:
    net = read_export(write(here / "plain")).net
    digit = ((load_digit(here / "one.png").float() / 255 - 0.2) / 0.4)[None, None]
    zero = torch.zeros(net.fc1.in_features)
    plain = Novelty(zero, torch.zeros(len(zero), min(AXES, len(zero) // 2)), torch.ones(1), torch.ones(1))
    limit = novelty(net, digit, plain)
    known = read_export(write(here / "known", unlike=replace(plain, limit=limit + 1)))
    assert classify(["one.png"], known)[0].digit is not None
    strange = read_export(write(here / "strange", unlike=replace(plain, limit=limit - 1)))
    prediction = classify(["one.png"], strange)[0]
    assert (prediction.digit, prediction.probability, prediction.probabilities) == (None, None, None)
    assert (prediction.error or "").startswith("one.png: no digit found, at best something like ")
    code, out, err = run("one.png", "--model", str(here / "strange"))
    assert (code, out, err) == (1, "", f"{prediction.error}\n")


def test_show_writes_what_the_network_saw(here: Path) -> None:
    draw(here / "strange\nnäme.png")
    code, _, _ = run("one.png", "broken.png", "strange\nnäme.png", "--show", "seen/here")
    assert code == 1
    assert sorted(path.name for path in (here / "seen/here").iterdir()) == ["0001_one.png", "0003_strange_n_me.png"]
    with Image.open(here / "seen/here/0001_one.png") as image:
        assert image.tobytes() == load_digit(here / "one.png").numpy().tobytes()


def test_a_folder_that_cannot_be_made_is_one_line(here: Path) -> None:
    code, out, err = run("one.png", "--model", "runs/demo/export", "--show", "two.png/seen")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "two.png" in err
