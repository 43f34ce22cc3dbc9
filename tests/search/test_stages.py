"""What follows a search, without Ray: who wins after failures, which network is exported, how often it is scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.tables.run import read_run
from analysis.words.in_short import in_short
from analysis.words.verdict import verdict
from model.card import ModelCard, read_card
from search.cli.ending import scores
from search.experiment import Experiment
from search.progress import Progress
from search.run import run_search
from search.store import export as store_export
from search.store.records import read_trials
from search.store.study import REFIT, SEARCH
from search.trials import Trials
from search.winner import Outcome
from tests.searches import Go, experiment
from tests.without_ray import OnResult, without_ray

pytestmark = pytest.mark.usefixtures("one_thread")


def small(**tables: dict[str, Any]) -> Experiment:
    """The tiny experiment with two trials of a few steps each."""
    return experiment(search={"trials": 2}, hyperparameters={"batch_size": 100}, **tables)


def changed(**changes: Callable[[Trials, dict[str, Any]], dict[str, Any]]) -> OnResult:
    """Let each of `changes` return what replaces the results of the study of its name."""

    def on_result(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        if change := changes.get(trials.stage.study.name):
            result = {**result, **change(trials, result)}
        return trials.on_result(ray_trial_id, result, checkpoint)

    return on_result


def test_a_candidate_that_fails_on_fresh_seeds_loses_and_both_terminal_and_report_say_so(
    go: Go, capsys: pytest.CaptureFixture[str]
) -> None:
    def best_first_run_only(trials: Trials, _: dict[str, Any]) -> dict[str, Any]:
        """Let the search's best trial fail on all fresh seeds but the first, on which it is perfect."""
        candidates = [trial.user_attrs["candidate"] for trial in trials.stage.study.trials()]
        [live] = trials.live.values()
        if candidates[live.number] != candidates[0]:
            return {"val_accuracy": 0.9}
        return {"val_accuracy": 1.0} if live.number == 0 else {"error": "boom"}

    outcome = go(small(confirm={"seeds": 3}), connect=without_ray(changed(confirm=best_first_run_only)))
    best = max(read_trials(outcome.run_dir, SEARCH), key=lambda trial: (trial.value or 0, -trial.number))
    assert outcome.winner is not None
    assert outcome.winner.candidate != best.number
    told = f"2 of 3 confirmation runs of trial {best.number} failed (boom): too many for it to win."
    assert capsys.readouterr().err == f"{told}\n"
    report = read_run(outcome.run_dir)
    assert (report.winner, told in verdict(report)) == (outcome.winner.candidate, True)


def do_well(_trials: Trials, _result: dict[str, Any]) -> dict[str, Any]:
    return {"val_accuracy": 0.9}


def collapse(_trials: Trials, _result: dict[str, Any]) -> dict[str, Any]:
    return {"val_accuracy": 0.1}


def fail(_trials: Trials, _result: dict[str, Any]) -> dict[str, Any]:
    return {"error": "boom"}


def card_of(outcome: Outcome) -> ModelCard:
    return read_card(outcome.run_dir / "export")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (collapse, "efit is refused (10.00% on 20 validation images, more than 15.35 points below the 90.00% of "),
        (fail, "(boom)"),
    ],
)
@pytest.mark.parametrize("top", [2, 0])
def test_a_refit_that_collapsed_or_failed_is_not_exported_and_everything_says_so(
    go: Go, capsys: pytest.CaptureFixture[str], change: Any, reason: str, top: int
) -> None:
    wanted = small(confirm={"top": top}, export={"refit": True})
    outcome = go(wanted, connect=without_ray(changed(search=do_well, confirm=do_well, refit=change)))
    said, card, winner = capsys.readouterr().err, card_of(outcome), outcome.winner
    assert winner is not None
    assert said.count("\n") == 1
    assert reason in said
    instead = "the best confirmed run" if top else "the best trial of the search"
    assert said.endswith(f"): {instead} is exported instead\n")
    assert card.provenance["source"] == {
        "candidate": winner.candidate, "study": winner.study, "run": winner.run.number, "refit": False
    }  # fmt: skip
    assert said == f"{card.provenance['no_refit']}\n"
    assert card.provenance["training_images"] == 500
    [told] = [sentence for sentence in verdict(read_run(outcome.run_dir)) if reason in sentence]
    assert told.endswith(f"{instead} is exported instead.")
    go(wanted, connect=without_ray())
    assert capsys.readouterr().err == ""
    assert card_of(outcome) == card  # settled: no second refit


@pytest.mark.parametrize("place", ["in the refit", "after the refit", "while exporting"])
def test_a_kill_changes_nothing_about_a_refused_refit(
    go: Go, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    wanted = small(confirm={"top": 1}, export={"refit": True})
    collapsed = without_ray(changed(confirm=do_well, refit=collapse))
    straight = card_of(go(wanted, "straight", connect=collapsed))
    said = capsys.readouterr().err
    assert "refused" in said

    def killed(*_words: Any, **_named: Any) -> Any:
        raise KeyboardInterrupt

    def kill(trials: Trials, result: dict[str, Any]) -> dict[str, Any]:
        return killed() if result["epoch"] == 2 else collapse(trials, result)

    with monkeypatch.context() as patched:
        if place != "in the refit":
            patched.setattr(store_export, "load_trained" if place == "after the refit" else "write_export", killed)
        ray = without_ray(changed(confirm=do_well, refit=kill if place == "in the refit" else collapse))
        with pytest.raises(KeyboardInterrupt):
            go(wanted, "cut", connect=ray)
    capsys.readouterr()
    again = go(wanted, "cut", connect=collapsed)
    assert capsys.readouterr().err == said
    assert [trial.state for trial in read_trials(again.run_dir, REFIT)] == ["complete"]
    card = card_of(again)
    assert (card.sha256, card.metrics) == (straight.sha256, straight.metrics)
    assert all(card.provenance[key] == straight.provenance[key] for key in ("source", "no_refit"))


def test_the_card_has_the_mean_over_fresh_seeds_and_not_the_luckiest(go: Go) -> None:
    def by_run(trials: Trials, _: dict[str, Any]) -> dict[str, Any]:
        [live] = trials.live.values()
        return {"val_accuracy": [0.9, 0.8][live.number]}

    outcome = go(small(confirm={"top": 1}), connect=without_ray(changed(confirm=by_run)))
    metrics = card_of(outcome).metrics
    assert metrics["val_accuracy"] == pytest.approx(0.85)
    assert metrics["val_accuracy_of"] == "mean of 2 fresh seeds"
    assert card_of(outcome).provenance["source"]["run"] == 0  # whose network is exported
    assert "validation 85.00% (mean of 2 fresh seeds), test " in scores_of(outcome)


def test_each_scoring_of_the_test_images_is_counted(go: Go) -> None:
    """An extended search that changes the winner scores again; one that does not leaves the export alone."""

    def later_is_better(trials: Trials, _: dict[str, Any]) -> dict[str, Any]:
        [live] = trials.live.values()
        return {"val_accuracy": [0.8, 0.7, 0.6, 0.9][live.number]}

    found = []
    for trials in (2, 3, 4):
        wanted = experiment(search={"trials": trials}, hyperparameters={"batch_size": 100}, confirm={"top": 0})
        outcome = go(wanted, connect=without_ray(changed(search=later_is_better)))
        found.append((card_of(outcome).provenance["source"]["candidate"], card_of(outcome).metrics["test_scorings"]))
    assert found == [(0, 1), (0, 1), (3, 2)]
    assert "(a single run, the best of 4 trials, hence optimistic), test " in scores_of(outcome)
    assert scores_of(outcome).endswith(", scored twice by this run")
    assert ", scored twice by this run," in in_short(read_run(outcome.run_dir))["test"]


def test_a_search_that_ends_itself_says_so_confirms_and_exports_and_is_settled(
    go: Go, capsys: pytest.CaptureFixture[str]
) -> None:
    def wanted(trials: int, **search: Any) -> Experiment:
        return experiment(
            search={"trials": trials, "recipe_first": False, **search},
            hyperparameters={"batch_size": 100, "epochs": 1},
            confirm={"top": 1, "seeds": 1},
        )

    alike = without_ray(changed(search=do_well, confirm=do_well))
    outcome = go(wanted(20, stop="auto"), connect=alike)
    assert outcome.export is not None
    assert len(read_trials(outcome.run_dir, SEARCH)) == 15  # 5 at the start, then 10 without a gain
    said = capsys.readouterr().out
    assert said.startswith("the search ends after 15 of 20 trials, as its last 10 with a value gained no more than")
    assert "5 trials, about 5 epochs, are saved" in said
    go(wanted(20, stop="auto"), connect=unused)
    said = capsys.readouterr().out
    assert "15 finished trials; raise search.trials (or --trials) or drop search.stop to search on" in said
    go(wanted(17), connect=alike)
    assert len(read_trials(outcome.run_dir, SEARCH)) == 17


def unused(*_words: Any) -> Any:
    raise AssertionError("Ray is not needed")


def test_the_first_trial_is_the_recipe_but_for_priors_and_the_terminal_says_so(
    tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = {"low": 0.1, "high": 3.0, "prior": 0.5}
    hyperparameters = {"batch_size": 100, "epochs": 1, "learning_rate": rate}
    wanted = experiment(search={"trials": 1}, hyperparameters=hyperparameters, confirm={"top": 0})
    outcome = run_search(wanted, tmp_path / "run", Progress(), data=tiny_root, connect=without_ray())
    assert read_trials(outcome.run_dir, SEARCH)[0].params == {"learning_rate": 0.5, "dropout1": 0.25}
    assert "learning_rate 0.5 (its prior) instead of 1.0" in capsys.readouterr().out


def scores_of(outcome: Outcome) -> str:
    """Return the terminal's line on the winner."""
    assert outcome.export is not None
    return scores(outcome.export)
