"""docs/commands.md says what the commands are: their options, exit codes, what they print for programs, examples."""

import json
import os
import re
import shlex
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import analysis.__main__
import classify_image
import model.draw.__main__
import model.export_onnx.__main__
import search.cli
from model.answers import COLUMNS
from model.classify import Prediction
from model.export_onnx.onnx_file import Written
from search.progress import EventProgress
from search.progress.plan import StageStatus
from search.progress.status import BestTrial, RunningTrial, Status
from search.store.records import TrialRecord
from search.winner import Outcome
from tests.analysis.studies import Writer
from tests.model.drawings import seven
from tests.places.exports import small_export

TEXT = (Path(__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
GROUP: Any = get_command(search.cli.app)
APPS = {
    "analysis": analysis.__main__.app,
    "classify_image": classify_image.app,
    "draw": model.draw.__main__.app,
    "export_onnx": model.export_onnx.__main__.app,
}
COMMANDS: dict[str, Any] = {
    **{f"search {name}": command for name, command in GROUP.commands.items()},
    **{name: get_command(app) for name, app in APPS.items()},
}
STARTS = {
    "classify_image": "python classify_image.py",
    "draw": "python -m model.draw",
    "export_onnx": "python -m model.export_onnx",
}
OF_COMPLETION = ("install_completion", "show_completion")


def cells(row: str) -> list[str]:
    """Return the cells of a row of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))]


def rows(text: str, first: str) -> list[list[str]]:
    """Return the rows of the table whose first column is called `first`."""
    [table] = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n?)+)", text, re.M)
    return [cells(row) for row in table.splitlines()]


def names(cell: str) -> list[str]:
    return re.findall(r"`(.+?)`", cell)


def test_every_command_has_its_section_and_its_options_in_the_words_of_its_help() -> None:
    assert list(SECTIONS)[1:] == ["search run", *(name for name in COMMANDS if name != "search run")]
    for name, command in COMMANDS.items():
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        options = [
            [f"`{param.metavar if param.param_type_name == 'argument' else param.opts[0]}`", param.help]
            for param in shown
            if param.name not in OF_COMPLETION
        ]
        assert rows(SECTIONS[name], "option") == options, name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_help_are_commands(name: str) -> None:
    lines = [line.strip() for line in COMMANDS[name].epilog.splitlines() if line.strip().startswith("python")]
    assert lines
    words = STARTS.get(name, f"python -m {name}").split()
    for line in lines:
        typed = shlex.split(line.partition(" < ")[0])
        assert typed[: len(words)] == words
        COMMANDS[name].make_context(name, typed[len(words) :])  # which reads the options


def test_the_examples_of_search_are_commands() -> None:
    for line in re.findall(r"python -m search (.*)", GROUP.epilog):
        name, *words = line.split()
        GROUP.commands[name].make_context(name, words)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export, a run, and a picture."""
    place = tmp_path_factory.mktemp("place")
    small_export(place / "export")
    seven().save(place / "seven.png")
    (place / "broken.png").write_text("no picture")
    (place / "quick.toml").write_text("[search]\ntrials = 1\n")
    writer = Writer(place / "run", {"search": {"trials": 1, "pruner": "none"}, "confirm": {"top": 0}})
    writer.trial([0.9, 0.91])
    writer.storage.close()
    return place


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def interrupted(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


def unread(*_: Any, **__: Any) -> Any:
    raise BrokenPipeError(32, "Broken pipe")


def ended(stopped: str | None, export: str | None) -> Callable[..., Outcome]:
    """Stand in for a search that ended so."""
    return lambda *_, **__: Outcome(Path("run"), stopped, None, Path(export) if export else None)


SEARCHED = {0: ended(None, "export"), 1: ended("too many failures", None), 130: ended("interrupted", None)}
PLACES = {  # what does the work of a command
    "search run": "search.run.run_search",
    "search confirm": "search.run.run_search",
    "search status": "search.progress.status.read_status",
    "analysis": "analysis.report.write_report",
    "classify_image": "model.classify.classify",
    "draw": "model.draw.server.web_server",
    "export_onnx": "model.export_onnx.onnx_file.write_onnx",
}
ARGUMENTS = {
    "search run": ["quick.toml", "--out", "runs"],
    "search confirm": ["run"],
    "search status": ["run"],
    "analysis": ["run"],
    "classify_image": ["seven.png", "--model", "export"],
    "draw": ["--no-browser", "--model", "export"],
    "export_onnx": ["export"],
}
WORK: dict[str, Callable[..., Any]] = {
    "analysis": lambda *_: Path("run/report/index.html"),
    "export_onnx": lambda *_: Written(Path("export/mnist_cnn.onnx"), "no images", 0.0),
}
CODES = {
    (int(code), command): meaning
    for (code, *meanings), columns in (
        (row, cells(re.findall(r"^\| code \|(.*)\|$", TEXT, re.M)[0])) for row in rows(SECTIONS["Exit codes"], "code")
    )
    for column, meaning in zip(columns, meanings, strict=True)
    for command in column.split(", ")
}


def invoke(name: str, words: list[str]) -> Any:
    if name.startswith("search "):
        return CliRunner().invoke(search.cli.app, [name.split()[1], *words])
    return CliRunner().invoke(APPS[name], words)


@pytest.mark.parametrize(("code", "name"), [key for key, meaning in CODES.items() if meaning != "-"])
def test_exit_codes_are_as_documented(here: Path, code: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ARGUMENTS[name]
    monkeypatch.setattr("search.on_ray.door.ray_begun", lambda *_: nullcontext())
    monkeypatch.setattr("search.cli.ending.report", lambda *_: None)
    monkeypatch.setattr("search.cli.ending.scores", lambda _: "winner")
    if PLACES[name] == "search.run.run_search" and code != 2:
        monkeypatch.setattr(PLACES[name], SEARCHED[code])
    elif code in (130, 141):
        monkeypatch.setattr("model.errors._nobody_reads", lambda: True)
        monkeypatch.setattr("model.errors.leave_stdout", lambda: None)
        monkeypatch.setattr(PLACES[name], interrupted if code == 130 else unread)
    elif code == 2:
        words = [*words[:-1], "none"] if "--model" in words else ["none", *words[1:]]
    elif code == 1:
        words = ["broken.png", *words]
    elif name in WORK:
        monkeypatch.setattr(PLACES[name], WORK[name])
    done = invoke(name, words)
    assert done.exit_code == code, done.output
    assert done.stderr.count("\n") <= 1
    assert (code != 2) or done.stderr.startswith("error: ")


def test_ctrl_c_ends_a_look_at_a_run_that_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Status("run", "running", [], {}, None, [], 0, 0, 0.0, None)
    monkeypatch.setattr(PLACES["search status"], lambda _: running)
    monkeypatch.setattr("search.cli.status.time.sleep", interrupted)
    assert invoke("search status", ["run", "--watch"]).exit_code == 0


def test_what_is_printed_for_programs_is_as_documented(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documented = {name: rows(SECTIONS[name], "key") for name in ("search run", "search status")}
    assert [key for row in documented["search status"] for key in names(row[0])] == [
        *(field.name for field in fields(Status))
    ]
    parts = {"stages": StageStatus, "best": BestTrial, "running": RunningTrial}
    for cell, meaning in documented["search status"]:
        if cell.strip("`") in parts:
            assert names(meaning) == [field.name for field in fields(parts[cell.strip("`")])]
    assert list(json.loads(invoke("search status", ["run", "--json"]).stdout)) == [
        field.name for field in fields(Status)
    ]
    [trial] = [meaning for cell, meaning in documented["search run"] if cell == "`trial`"]
    assert sorted(names(trial)) == sorted(field.name for field in fields(TrialRecord))


def test_the_events_of_a_search_are_as_documented(tmp_path: Path) -> None:
    told = EventProgress(os.open(tmp_path / "events", os.O_WRONLY | os.O_CREAT), quiet=False)
    writer = Writer(tmp_path / "run", {"search": {"trials": 1, "pruner": "none"}, "confirm": {"top": 0}})
    writer.trial([0.9])
    [trial] = writer.study.study.trials
    told.say("a")
    told.result("b")
    told.warn("c")
    told.show(Status("run", "running", [], {}, None, [], 0, 0, 0.0, None))
    told.trial_ended(trial)
    told.trials_settled([trial])
    told.ended(Outcome(Path("run"), None, None, None))
    told.ray_is_gone("gone")
    told.close()
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    keys = [key for cell, _ in rows(SECTIONS["search run"], "key") for key in names(cell)]
    assert {key for event in events for key in event} == {*keys}
    assert all(len(event) == 1 for event in events)


def test_the_answers_to_pictures_are_as_documented(here: Path) -> None:
    table = rows(SECTIONS["classify_image"], "key of `--json`")
    assert [names(row[0]) for row in table] == [[field.name] for field in fields(Prediction)]
    assert [names(row[1]) for row in table] == [["image"], ["digit"], ["probability"], ["p0", "p9"], ["error"]]
    assert ("image", "digit", "probability", *(f"p{digit}" for digit in range(10)), "error") == COLUMNS


def test_a_path_is_all_that_is_printed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, work in WORK.items():
        monkeypatch.setattr(PLACES[name], work)
    assert invoke("analysis", ["run"]).stdout == "run/report/index.html\n"
    assert invoke("export_onnx", ["export"]).stdout == "export/mnist_cnn.onnx\n"
