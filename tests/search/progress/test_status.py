"""The status of a run: the same numbers for a live, a dead and a finished one, and a view that fits its terminal."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from search.cli import app
from search.progress import Output, Progress
from search.progress.status import RunningTrial, Status, read_status, status_of
from search.progress.view import duration, sparkline, view
from search.store.candidates import attributes_of
from search.store.records import read_frozen, read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, STUDIES, open_study
from tests.analysis.studies import Writer

TABLE = {
    "search": {"trials": 6, "sampler": "random"},
    "hyperparameters": {"epochs": 4, "dropout1": {"low": 0.0, "high": 0.5}},
    "confirm": {"top": 2, "seeds": 3, "recipe": {}},
    "export": {"refit": True},
}
FACTS = {"concurrent_trials": 2, "train_images": 1000, "refit_images": 4000}


@pytest.fixture
def run(tmp_path: Path) -> Writer:
    """A run amid its search: two trials are complete, one was stopped after an epoch, one is at work, one waits."""
    writer = Writer(tmp_path / "run", TABLE, FACTS)
    writer.trial([0.9, 0.95, 0.96, 0.97])
    writer.trial([0.9, 0.96, 0.97, 0.98])
    writer.trial([0.5], "pruned")
    writer.trial([0.8, 0.9], "open")
    writer.study.enqueue({"dropout1": 0.1})
    return writer


def status(run: Writer, driven: bool) -> Status:
    stages = {name: read_frozen(run.run_dir, name) for name in STUDIES}
    return status_of("run", load_resolved(run.run_dir), stages, driven=driven)


def test_a_search_at_work(run: Writer) -> None:
    found = status(run, driven=True)
    assert found.state == "running"
    assert [(stage.name, stage.done, stage.total) for stage in found.stages] == [
        ("search", 3, 6),
        ("confirmation", 0, 9),  # two candidates and the recipe
        ("refit", 0, 1),
    ]
    assert found.counts == {"complete": 2, "pruned": 1, "running": 1, "waiting": 1}
    assert found.best is not None
    assert (found.best.name, found.best.accuracy) == ("trial 1", 0.98)
    assert found.running == [RunningTrial("trial 3", 4, [0.8, 0.9], 2000.0, "here")]
    assert (found.epochs, found.saved) == (11, 3)
    # Of 2 s an epoch and two trials at a time: 3 trials of 11/3 epochs and 9 of 4; the refit has 4 epochs of 4,000
    # images, at 2,000 a second and 1.3 times that.
    assert found.left == pytest.approx((3 * 11 / 3 + 9 * 4) * 2 / 2 + 4 * 4000 / 2000 / 1.3)


def test_a_killed_and_a_finished_one(run: Writer) -> None:
    killed = read_status(run.run_dir)
    assert (killed.state, killed.counts["interrupted"], killed.running, killed.left) == ("interrupted", 1, [], None)
    run.end(3, "complete")
    run.trial([0.9])  # the one that waited
    run.confirm(1, [0.97, 0.98, 0.98], {"dropout1": 0.1})
    run.confirm(0, [0.97, 0.97, 0.97], {"dropout1": 0.2})
    run.recipe([0.96, 0.96, 0.96], {})
    run.export({}, {})
    assert read_status(run.run_dir).state == "interrupted"  # before its last trial, as a longer search that was killed
    run.trial([0.9])
    done = read_status(run.run_dir)
    assert done.state == "finished"
    assert [(stage.done, stage.total) for stage in done.stages[1:]] == [(9, 9), (1, 1)]
    run.trial([0.9, 0.95], "open")
    longer = status(run, driven=True)
    # The new trial may win: three seeds of it, then a refit. Of 2 s an epoch, two trials at a time.
    assert [(stage.done, stage.total) for stage in longer.stages] == [(6, 7), (9, 12), (0, 1)]
    assert [(stage.done, stage.total) for stage in read_status(run.run_dir).stages] == [(6, 7), (9, 9), (1, 1)]
    epochs = sum(len(trial.epochs) for trial in read_trials(run.run_dir))
    assert longer.left == pytest.approx(epochs / 6 * 2 + 3 * 4 * 2 / 2 + 4 * 4000 / 2000 / 1.3)


def test_a_run_whose_trials_all_failed_is_over(tmp_path: Path) -> None:
    run = Writer(tmp_path / "run", TABLE, FACTS)
    for number in range(6):
        assert read_status(run.run_dir).state == ("interrupted" if number else "waiting")
        run.trial([], "failed", error="its loss is nan")
    assert read_status(run.run_dir).state == "finished"


def test_a_failure_within_a_limited_time_is_not_the_end(tmp_path: Path) -> None:
    run = Writer(tmp_path / "run", {**TABLE, "resources": {"max_minutes": 1}}, FACTS)
    run.trial([], "failed", error="its loss is nan")
    assert read_status(run.run_dir).state == "interrupted"


def test_a_confirmation_by_hand_lets_the_search_wait(run: Writer) -> None:
    run.end(3, "complete")
    run.begin({"dropout1": 0.1}, open_study(run.storage, CONFIRM), **attributes_of(1, 1))
    found = status(run, driven=True)
    assert [(stage.done, stage.total) for stage in found.stages] == [(4, 6), (0, 1), (0, 1)]
    assert found.left == pytest.approx(4 * 2 + 4 * 4000 / 2000 / 1.3)  # one run of 4 epochs of 2 s, then the refit


def test_the_lines_of_a_terminal_break_between_words(run: Writer) -> None:
    progress = Progress()
    written = io.StringIO()
    progress.console = Output(file=written, force_terminal=True, width=40)
    progress.trial_ended(run.study.trial(1))
    lines = written.getvalue().splitlines()
    assert [line[:11] for line in lines] == ["trial   1  ", " " * 11]
    assert lines[1].split() == [f"dropout1={run.study.trial(1).params['dropout1']:.3g}"]


def test_a_trial_without_an_epoch_is_starting(run: Writer) -> None:
    run.begin()
    assert "starting" in shown(status(run, driven=True), 80)


def test_a_run_that_has_not_begun(tmp_path: Path) -> None:
    found = read_status(Writer(tmp_path / "run", TABLE).run_dir)
    assert (found.state, found.counts, found.best, found.seconds) == ("waiting", {}, None, 0.0)
    assert "no trial has begun" in shown(found, 80)


def shown(status: Status, width: int) -> str:
    console = Console(width=width, file=open("/dev/null", "w"), record=True)  # noqa: PTH123, SIM115
    console.print(view(status, width))
    return console.export_text()


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
@pytest.mark.parametrize("more", [0, 30])
def test_the_view_fits_its_terminal(run: Writer, width: int, more: int) -> None:
    found = status(run, driven=True)
    lines = shown(replace(found, running=found.running * (1 + more)), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 20
    text = "\n".join(lines)
    assert "run: running" in text
    assert ("▁█" in text) == (width >= 60)
    if width >= 60:
        assert "best  98.00%  trial 1  dropout1=" in text
        assert "3 of 6" in text
        assert "early stopping saved 3 of 14 epochs" in text
        assert ("and 19 more" in text) == bool(more)


def test_words_for_curves_and_times() -> None:
    assert sparkline([0.9, 0.97, 0.999]) == "▁▃█"
    assert sparkline([0.9]) == "▁"
    assert sparkline([]) == ""
    assert [duration(seconds) for seconds in (0, 89, 91, 5000, 9000)] == ["0 s", "89 s", "2 min", "83 min", "2.5 h"]


def test_the_command(run: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def printed(*words: str) -> str:
        done = CliRunner().invoke(app, ["status", str(run.run_dir), *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert printed().startswith("run: interrupted, ")
    assert printed("--watch") == printed()  # it has ended
    assert json.loads(printed("--json"))["best"]["accuracy"] == 0.98
    refused = CliRunner().invoke(app, ["status", str(run.run_dir.parent)])
    assert refused.exit_code == 2


def test_watching_ends_with_the_run(run: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["running", "running", "finished"])
    look: Callable[[Path], Status] = lambda _: replace(status(run, driven=True), state=next(states))  # noqa: E731
    monkeypatch.setattr("search.progress.status.read_status", look)
    monkeypatch.setattr("search.cli.status.PERIOD", 0.0)
    done = CliRunner().invoke(app, ["status", str(run.run_dir), "--watch", "--json"])
    assert [json.loads(line)["state"] for line in done.output.splitlines()] == ["running", "running", "finished"]
