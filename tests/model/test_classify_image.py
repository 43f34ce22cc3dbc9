"""The command classify_image.py: a line, a row or an object for each picture, and how it ends."""

import io
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from classify_image import app
from model.answers import COLUMNS
from model.classify import classify
from model.export import Export, read_export
from model.image import load_digit
from tests.model.drawings import draw_line
from tests.model.exports import novel_beyond, write_sure

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


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
    draw_line(here / "a, 1\n.png")
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
    code, _, err = run(draw_line(tmp_path / "one.png"))
    assert (code, len(err.splitlines())) == (2, 1)
    assert "run `make search`" in err


def test_class_names_and_the_fallback_data_set_are_named(here: Path) -> None:
    code, out, err = run("one.png", "--model", str(write_sure(here / "letters", "uci-digits", "abcdefghij")))
    assert code == 0
    assert out.split()[1] in "abcdefghij"
    assert len(err.splitlines()) == 1
    assert "UCI digits" in err


def test_strange_names_stay_one_line(here: Path) -> None:
    names = [b"two\nlines.png", b"not utf-8 \xff.png", "größe.png".encode()]
    for name in names:
        draw_line(here / os.fsdecode(name))
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
        "model.command",
        "model.completion",
        "model.errors",
        "model.files",
    }
    assert not imported & {"torch", "numpy", "PIL", "pydantic"}


def test_what_is_novel_to_the_network_is_an_error(here: Path, export: Export) -> None:
    strange = write_sure(here / "strange", unlike=novel_beyond(export.net, -1e9))
    code, out, err = run("one.png", "--model", str(strange))
    assert (code, out) == (1, "")
    assert err == f"{classify(['one.png'], read_export(strange))[0].error}\n"
    assert err.startswith("one.png: no digit found, ")


def test_show_writes_what_the_network_saw(here: Path) -> None:
    draw_line(here / "strange\nnäme.png")
    code, _, _ = run("one.png", "broken.png", "strange\nnäme.png", "--show", "seen/here")
    assert code == 1
    assert sorted(path.name for path in (here / "seen/here").iterdir()) == ["0001_one.png", "0003_strange_n_me.png"]
    with Image.open(here / "seen/here/0001_one.png") as image:
        assert image.tobytes() == load_digit(here / "one.png").numpy().tobytes()


def test_a_folder_that_cannot_be_made_is_one_line(here: Path) -> None:
    code, out, err = run("one.png", "--model", "runs/demo/export", "--show", "two.png/seen")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "two.png" in err
