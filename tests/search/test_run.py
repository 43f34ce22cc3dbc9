"""Whole searches with a tiny network on a tiny data set: their ends, their resumptions, and what fails on the way.

One of them runs through Ray; what follows a search does not need it.
"""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from model.errors import ConfigError
from search.progress import Progress
from search.run import run_search
from search.store import location
from search.store.folder import check_folder
from search.store.records import read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, REFIT, SEARCH, open_study
from search.trials import Trials
from search.winner import Outcome, winner_of
from tests.searches import experiment, numbers
from tests.without_ray import OnResult, without_ray

Go = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def go_without(go: Go) -> Go:
    """Run (or resume) a search of this test without Ray."""
    return lambda *words, **named: go(*words, **{"connect": without_ray(), **named})


@pytest.fixture(scope="module")
def finished(two_cpus: None, tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that ended well; tests that change it take a `copied` one."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    outcome = run_search(experiment(), run_dir, Progress(quiet=True), data=tiny_root)
    assert outcome.stopped is None
    assert outcome.export == run_dir / "export"
    return run_dir


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_search_confirms_and_exports(finished: Path) -> None:
    run_dir = finished
    records = read_trials(run_dir)
    assert [record.state for record in records] == ["complete"] * 4
    assert all(len(record.epochs) == 2 and record.value == record.epochs[-1]["val_accuracy"] for record in records)
    about = {"started", "ended", "seed", "node", "device", "gpu", "num_parameters", "saved_state"}
    assert about <= set(records[0].attributes)
    confirmed = read_trials(run_dir, CONFIRM)
    best = sorted(records, key=lambda record: (-(record.value or 0), record.number))[:2]
    assert sorted(record.attributes["candidate"] for record in confirmed) == sorted(
        b.number for b in best for _ in "12"
    )
    assert len({record.epochs[0]["train_loss"] for record in confirmed}) == 4  # fresh seeds are different seeds
    card = json.loads((run_dir / "export" / "model.json").read_text())
    winner = winner_of(run_dir)
    assert winner is not None
    assert card["provenance"]["source"]["candidate"] == winner.candidate
    assert card["metrics"]["val_accuracy"] == winner.mean
    with (run_dir / "export" / "test_predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert card["metrics"]["test_accuracy"] == pytest.approx(right / 100)
    states = list((run_dir / "ray").glob("**/state.bin"))
    assert len(states) == 3  # the best of the search, and the best run of each candidate, which may be picked


def test_winner_has_the_highest_mean(finished: Path) -> None:
    means: dict[int, list[float]] = {}
    for record in read_trials(finished, CONFIRM):
        means.setdefault(record.attributes["candidate"], []).append(record.value or 0)
    winner = winner_of(finished)
    assert winner is not None
    assert winner.mean == max(sum(values) / len(values) for values in means.values())


def test_finished_search_is_left_alone_then_extended(
    copied: Path, go_without: Go, capsys: pytest.CaptureFixture[str]
) -> None:
    before = numbers(copied)
    exported = (copied / "export" / "model.json").stat().st_mtime_ns
    go_without(experiment())
    assert "exported of 4 finished trials" in capsys.readouterr().out
    assert numbers(copied) == before
    assert (copied / "export" / "model.json").stat().st_mtime_ns == exported
    go_without(experiment(search={"trials": 5}))
    assert numbers(copied)[:4] == before
    assert len(numbers(copied)) == 5


def test_same_name_is_refused_and_so_is_another_search(copied: Path, go_without: Go, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a search of that name exists \(4 complete\)"):
        check_folder(experiment(), copied, resume=False)
    with pytest.raises(ConfigError, match="search.seed was 0 and is now 1"):
        go_without(experiment(search={"seed": 1}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="already exists and is not a run"):
        go_without(experiment(), "other")


def test_a_range_may_be_made_wider(copied: Path, go_without: Go) -> None:
    before = numbers(copied)
    wider = experiment(search={"trials": 12}, hyperparameters={"dropout1": {"low": 0.0, "high": 0.9}})
    go_without(wider)
    assert numbers(copied)[:4] == before
    assert max(record.params["dropout1"] for record in read_trials(copied)) > 0.3
    with pytest.raises(ConfigError, match=r"hyperparameters.dropout1.high was 0.9 and is now 0.3"):
        go_without(experiment(search={"trials": 12}))


def test_a_search_starts_from_the_best_of_an_earlier_run(copied: Path, go_without: Go) -> None:
    best = sorted(read_trials(copied), key=lambda record: (-(record.value or 0.0), record.number))
    winner = winner_of(copied)
    assert winner is not None
    before = [record.params["dropout1"] for record in best if record.number not in (winner.candidate, 0)]
    start = {"trials": 6, "seed": 5, "start_from": str(copied)}
    wider = {"dropout1": {"low": 0.0, "high": 0.9}, "dropout2": {"low": 0.1, "high": 0.5}}
    found = read_trials(go_without(experiment(search=start, hyperparameters=wider), "wider").run_dir)
    assert found[0].params["dropout1"] == 0.25  # the recipe, which the earlier run had as its trial 0
    assert [record.params["dropout1"] for record in found[1:4]] == [winner.run.params["dropout1"], *before[:2]]
    assert {record.params["dropout2"] for record in found[:4]} == {0.5}  # as the recipe, which the earlier run kept
    with pytest.raises(ConfigError, match="no complete trial of it lies in this space"):
        go_without(experiment(search=start, hyperparameters={"dropout1": {"low": 0.8, "high": 0.9}}), "narrow")


def test_other_images_are_refused(copied: Path, go: Go, tiny_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(tiny_root, copy)
    images = copy / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ConfigError, match="began with other images"):
        go(experiment(search={"trials": 5}), copied.name, data=copy)


def test_halving_prunes_with_its_curve(go_without: Go) -> None:
    wanted = experiment(
        search={"trials": 8, "pruner": "halving", "reduction_factor": 2},
        hyperparameters={"epochs": 3, "learning_rate": {"low": 0.001, "high": 1.0, "log": True}},
        confirm={"top": 0},
    )
    records = read_trials(go_without(wanted).run_dir)
    pruned = [record for record in records if record.state == "pruned"]
    assert pruned
    assert {len(record.epochs) for record in pruned} <= {1, 2}
    assert all(record.value == record.epochs[-1]["val_accuracy"] for record in pruned)
    assert all(len(record.epochs) == 3 for record in records if record.state == "complete")


def test_the_state_of_an_overtaken_refit_stays_as_it_may_be_picked(copied: Path, go_without: Go) -> None:
    place = copied / "ray" / "0000-refit" / "00000-attempt" / "checkpoint_000001"
    place.mkdir(parents=True)
    refits = open_study(location.open_storage(copied), REFIT)
    refits.enqueue({"dropout1": 0.1}, candidate=99, refit=True)
    number = refits.study.ask().number
    refits.record_epoch(number, {"epoch": 1, "val_accuracy": 0.5, "clock": 1.0})
    refits.set_attributes(number, saved_state={"place": str(place.relative_to(copied)), "epoch": 1})
    refits.finish(number, TrialState.COMPLETE)
    shutil.rmtree(copied / "export")
    assert go_without(experiment()).export
    assert place.parent.exists()
    assert len(list((copied / "ray").glob("**/state.bin"))) == 3


def test_nothing_searched_is_one_trial(go_without: Go) -> None:
    wanted = experiment(search={"trials": 1}, hyperparameters={"dropout1": 0.1}, confirm={"top": 0})
    outcome = go_without(wanted)
    assert [record.params for record in read_trials(outcome.run_dir)] == [{}]
    assert outcome.export


def test_non_finite_losses_fail(go_without: Go) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 10.0, "schedule": "constant"}
    outcome = go_without(experiment(search={"trials": 2}, hyperparameters=wild, confirm={"top": 0}))
    records = read_trials(outcome.run_dir)
    assert [record.state for record in records] == ["failed"] * 2
    assert "non-finite train_loss" in records[0].attributes["error"]
    assert outcome.export is None


def test_time_budget_ends_the_search_and_can_be_raised(go: Go) -> None:
    small = {"confirm": {"top": 1, "seeds": 1}}
    reports = []

    def an_hour_later(trials: Trials, *report: Any) -> bool:
        reports.append(report)
        if len(reports) == 5:
            trials.began -= 3600
        return trials.on_result(*report)

    limited = experiment(search={"trials": 500}, resources={"max_minutes": 50}, **small)
    outcome = go(limited, connect=without_ray(an_hour_later))
    states = [record.state for record in read_trials(outcome.run_dir)]
    assert states == ["complete", "complete", "interrupted"]
    assert outcome.stopped is None
    assert outcome.export
    ended = read_trials(outcome.run_dir)[:2]
    go(experiment(search={"trials": 4}, resources={"max_minutes": 100}, **small), connect=without_ray())
    records = read_trials(outcome.run_dir)
    assert [record.state for record in records] == ["complete"] * 4
    assert records[:2] == ended


def interrupted_at(reports: int) -> OnResult:
    """Interrupt a search with its report of that number."""
    seen = []

    def on_result(trials: Trials, *report: Any) -> bool:
        seen.append(report)
        if len(seen) == reports:
            trials.stop("interrupted")
        return trials.on_result(*report)

    return on_result


def test_interruption_keeps_everything_and_resumes_to_the_same_table(go: Go, tmp_path: Path) -> None:
    halving = {"search": {"trials": 5, "pruner": "halving", "sampler": "tpe"}, "hyperparameters": {"epochs": 3}}
    wanted = experiment(**halving, confirm={"top": 1, "seeds": 1})
    whole = numbers(go(wanted, "whole", connect=without_ray()).run_dir)
    outcomes = [go(wanted, "cut", connect=without_ray(interrupted_at(2)))]
    left_running_as_by_a_kill(tmp_path / "cut")
    outcomes += [go(wanted, "cut", connect=without_ray(interrupted_at(3))), go(wanted, "cut", connect=without_ray())]
    assert [outcome.stopped for outcome in outcomes] == ["interrupted", "interrupted", None]
    assert numbers(tmp_path / "cut") == whole
    assert numbers(tmp_path / "cut", CONFIRM) == numbers(tmp_path / "whole", CONFIRM)


def left_running_as_by_a_kill(run_dir: Path) -> None:
    """Undo what a tidy end does and a SIGKILL does not: trials that were begun are RUNNING again."""
    study = open_study(location.open_storage(run_dir), SEARCH)
    begun = [trial for trial in study.trials(TrialState.WAITING) if "started" in trial.user_attrs]
    for _ in begun:
        study.study.ask()
    assert begun


def test_a_moved_run_can_be_extended(copied: Path, go: Go, finished: Path) -> None:
    before = sorted((finished / "ray").glob("**/state.bin"))
    moved = copied.rename(copied.with_name("moved"))
    go(experiment(search={"trials": 5}), moved.name, connect=without_ray())
    assert len(read_trials(moved)) == 5
    assert sorted((finished / "ray").glob("**/state.bin")) == before  # the original keeps its states


def test_confirmation_by_hand_on_an_interrupted_run(go: Go) -> None:
    outcome = go(experiment(search={"trials": 9}), connect=without_ray(interrupted_at(5)))
    assert (outcome.stopped, outcome.export) == ("interrupted", None)
    by_hand = go(load_resolved(outcome.run_dir), searching=False, connect=without_ray())
    assert by_hand.export
    assert len(read_trials(outcome.run_dir, CONFIRM)) == 4
    assert len([r for r in read_trials(outcome.run_dir) if r.state == "complete"]) == 2


def test_resolved_configuration_and_environment_are_kept(finished: Path) -> None:
    text = (finished / "experiment.toml").read_text()
    for line in ('dataset = "mnist"', "validation_images = 100", "concurrent_trials = 1", "learning_rate = 1.0"):
        assert line in text
    environment = json.loads((finished / "environment.json").read_text())
    assert {"torch", "ray", "optuna", "python"} <= set(environment["versions"])
