"""What follows a search: more trials, a wider range, another run that starts from it, a moved folder, an interruption.

All of it runs without Ray.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from analysis.report import write_report
from model.errors import ConfigError
from search.progress import Progress
from search.run import run_search
from search.store import location
from search.store.folder import check_folder
from search.store.records import read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, REFIT, SEARCH, open_study
from search.trials import Trials
from search.winner import winner_of
from tests.searches import Go, experiment, numbers
from tests.without_ray import OnResult, without_ray

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def finished(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that ended well; tests that change it take a `copied` one."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    run_search(experiment(), run_dir, Progress(quiet=True), data=tiny_root, connect=without_ray())
    return run_dir


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


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


def test_a_range_may_be_made_wider_and_its_new_end_comes_first(copied: Path, go: Go, go_without: Go) -> None:
    before = numbers(copied)
    wider = experiment(search={"trials": 12}, hyperparameters={"dropout1": {"low": 0.0, "high": 0.9}})

    def refused(*_: object) -> None:
        raise ConfigError("no machine")

    with pytest.raises(ConfigError, match="no machine"):
        go(wider, connect=refused)  # the point is in line, and is not put there again
    with pytest.raises(ConfigError, match=r"hyperparameters.dropout1.high was 0.9 and is now 0.3"):
        go_without(experiment(search={"trials": 12}))  # where that point does not lie
    go_without(wider)
    assert numbers(copied)[:4] == before
    assert [record.params["dropout1"] == 0.9 for record in read_trials(copied)[4:]] == [True] + [False] * 7


def test_a_new_end_waits_until_there_is_room_for_it(copied: Path, go_without: Go) -> None:
    ends = {"low": 0.0, "high": 0.9}
    go_without(experiment(hyperparameters={"dropout1": ends}))  # no more trials than there are
    go_without(experiment(search={"trials": 5}, hyperparameters={"dropout1": ends}))
    assert read_trials(copied)[4].params["dropout1"] == 0.9
    go_without(experiment(search={"trials": 6}, hyperparameters={"dropout1": ends}))
    assert read_trials(copied)[5].params["dropout1"] != 0.9  # it was tried


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


def test_a_learning_rate_of_another_optimizer_is_no_start(go_without: Go) -> None:
    rates = {"learning_rate": {"low": 0.001, "high": 2.0, "log": True}}
    earlier = go_without(experiment(search={"trials": 1}, hyperparameters=rates), "earlier")
    start = {"trials": 2, "start_from": str(earlier.run_dir)}
    for optimizer, kept in (("adadelta", True), ("adamw", False)):
        wanted = experiment(search=start, hyperparameters={**rates, "optimizer": optimizer})
        points = [record.params for record in read_trials(go_without(wanted, optimizer).run_dir)]
        assert (1.0 in [point["learning_rate"] for point in points]) == kept


def test_other_images_are_refused(copied: Path, go: Go, tiny_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(tiny_root, copy)
    images = copy / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ConfigError, match="began with other images"):
        go(experiment(search={"trials": 5}), copied.name, data=copy)


def test_a_moved_run_can_be_extended(copied: Path, go: Go, finished: Path) -> None:
    before = sorted((finished / "ray").glob("**/state.bin"))
    moved = copied.rename(copied.with_name("moved"))
    go(experiment(search={"trials": 5}), moved.name, connect=without_ray())
    assert len(read_trials(moved)) == 5
    assert sorted((finished / "ray").glob("**/state.bin")) == before  # the original keeps its states


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
    attempts = {state.parent.parent for state in (copied / "ray").glob("**/state.bin")}
    assert len(attempts) == 3  # the best of the search, and the best run of each candidate


def test_time_budget_ends_the_search_and_can_be_raised(go: Go) -> None:
    small = {"confirm": {"top": 1, "seeds": 1}}
    limited = experiment(search={"trials": 500}, resources={"max_minutes": 50}, **small)
    outcome = go(limited, connect=without_ray(hour_passes_at(5)))
    states = [record.state for record in read_trials(outcome.run_dir)]
    assert states == ["complete", "complete", "interrupted"]
    assert outcome.stopped is None
    assert outcome.export
    ended = read_trials(outcome.run_dir)[:2]
    go(experiment(search={"trials": 4}, resources={"max_minutes": 100}, **small), connect=without_ray())
    records = read_trials(outcome.run_dir)
    assert [record.state for record in records] == ["complete"] * 4
    assert records[:2] == ended


def hour_passes_at(reports: int) -> OnResult:
    """Let an hour pass before a search's report of that number."""
    seen = []

    def on_result(trials: Trials, *report: Any) -> bool:
        seen.append(report)
        if len(seen) == reports:
            trials.began -= 3600
        return trials.on_result(*report)

    return on_result


def test_paused_trials_outlast_a_time_budget_and_the_furthest_are_confirmed(go: Go) -> None:
    promoting = {"search": {"trials": 6, "pruner": "promote"}, "hyperparameters": {"epochs": 4}}
    limited = experiment(**promoting, resources={"max_minutes": 50}, confirm={"top": 1, "seeds": 1})
    outcome = go(limited, connect=without_ray(hour_passes_at(4)))
    cut = read_trials(outcome.run_dir)
    assert {record.state for record in cut} <= {"paused", "interrupted"}
    assert outcome.stopped is None
    furthest = min(cut, key=lambda record: (-len(record.epochs), -record.epochs[-1]["val_accuracy"], record.number))
    assert [(r.attributes["candidate"], len(r.epochs)) for r in read_trials(outcome.run_dir, CONFIRM)] == [
        (furthest.number, 4)
    ]
    assert outcome.export
    assert write_report([outcome.run_dir]).exists()
    raised = experiment(**promoting, resources={"max_minutes": 100}, confirm={"top": 1, "seeds": 1})
    go(raised, connect=without_ray())
    records = read_trials(outcome.run_dir)
    assert [record.epochs[: len(before.epochs)] for record, before in zip(records, cut, strict=False)] == [
        before.epochs for before in cut
    ]
    assert {record.state for record in records} == {"complete", "pruned"}


def test_a_search_without_a_complete_trial_does_not_claim_an_export(
    go_without: Go, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 10.0, "schedule": "constant"}
    failing = experiment(search={"trials": 2}, hyperparameters=wild)
    assert go_without(failing).export is None
    assert go_without(failing).export is None
    assert "nothing is there to export of 2 finished trials" in capsys.readouterr().out


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


def test_confirmation_by_hand_on_an_interrupted_run(go: Go) -> None:
    outcome = go(experiment(search={"trials": 9}), connect=without_ray(interrupted_at(5)))
    assert (outcome.stopped, outcome.export) == ("interrupted", None)
    by_hand = go(load_resolved(outcome.run_dir), searching=False, connect=without_ray())
    assert by_hand.export
    assert len(read_trials(outcome.run_dir, CONFIRM)) == 4
    assert len([r for r in read_trials(outcome.run_dir) if r.state == "complete"]) == 2
