"""The confirmation as a race beside the recipe, and the export of a trial that a person picks, without Ray."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model.card import read_card
from model.errors import ConfigError
from model.hyperparameters import Hyperparameters
from model.seeds import derive_seed
from search.cli.ending import conclude, scores
from search.experiment import Experiment
from search.progress import Progress
from search.store import checkpoints
from search.store.checkpoint_store import CheckpointStore
from search.store.records import TrialRecord, read_trials
from search.store.study import CONFIRM, PICKED
from search.trials import Trials
from search.winner import winner_of
from tests.searches import Go, experiment, numbers
from tests.without_ray import OnResult, without_ray

pytestmark = pytest.mark.usefixtures("one_thread")
POINT = {"epochs": 2, "conv1_width": 2, "conv2_width": 2, "hidden_width": 16, "pool": "early", "batch_size": 100}


def racing(**confirm: Any) -> Experiment:
    """Two trials of a few steps that are trained again."""
    return experiment(search={"trials": 3}, hyperparameters={"batch_size": 100}, confirm={"top": 3, **confirm})


def wobbling(behind: int | None) -> OnResult:
    """Let the runs of all candidates differ by chance alone, but for one that is far `behind`."""

    def on_result(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        attributes = trials.stage.study.trial(trials.live[ray_trial_id].number).user_attrs
        if candidate := attributes.get("candidate", -1) + 1:
            chance = derive_seed(candidate, attributes["run"]) % 100 / 10_000
            result = {**result, "val_accuracy": 0.9 + chance - 0.5 * (candidate - 1 == behind)}
        return trials.on_result(ray_trial_id, result, checkpoint)

    return on_result


def runs_of(run_dir: Path) -> Counter[int | None]:
    """Return how many runs each candidate has; None is the recipe."""
    return Counter(record.attributes.get("candidate") for record in read_trials(run_dir, CONFIRM))


def test_who_leads_and_who_can_not_be_told_from_it_gets_more_seeds_up_to_a_limit(go: Go) -> None:
    outcome = go(racing(seeds=2, most_seeds=4, recipe={"epochs": 1}), connect=without_ray(wobbling(behind=None)))
    assert runs_of(outcome.run_dir) == {0: 4, 1: 4, 2: 4, None: 2}
    assert outcome.winner is not None
    assert outcome.winner.mean_of == "mean of 4 fresh seeds"
    out = go(racing(seeds=3, most_seeds=4), "out", connect=without_ray(wobbling(behind=1)))
    assert runs_of(out.run_dir) == {0: 4, 1: 3, 2: 4}


def test_without_most_seeds_each_candidate_has_the_same_runs_as_ever(go: Go) -> None:
    assert runs_of(go(racing(seeds=2), connect=without_ray(wobbling(behind=None))).run_dir) == {0: 2, 1: 2, 2: 2}


def test_a_race_of_failures_ends(go: Go) -> None:
    def fail(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        if trials.stage.study.name == CONFIRM:
            result = {"error": "boom"}
        return trials.on_result(ray_trial_id, result, checkpoint)

    outcome = go(racing(seeds=2, most_seeds=9, recipe={"epochs": 1}), connect=without_ray(fail))
    assert runs_of(outcome.run_dir) == {0: 2, 1: 2, 2: 2, None: 2}


def test_a_race_that_is_killed_again_and_again_does_the_same_runs_and_has_the_same_winner(go: Go) -> None:
    wanted, race = racing(seeds=2, most_seeds=4, recipe={"epochs": 1}), wobbling(behind=2)
    straight = go(wanted, "straight", connect=without_ray(race))
    kills = 0
    while True:
        seen: list[str] = []

        def killed(
            trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None, seen: list[str] = seen
        ) -> bool:
            if trials.stage.study.name == CONFIRM:
                seen.append(ray_trial_id)
                if len(seen) == 4:
                    raise KeyboardInterrupt
            return race(trials, ray_trial_id, result, checkpoint)

        try:
            cut = go(wanted, "cut", connect=without_ray(killed))
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 4
    assert numbers(cut.run_dir, CONFIRM) == numbers(straight.run_dir, CONFIRM)
    assert (cut.winner and cut.winner.candidate) == (straight.winner and straight.winner.candidate)


def test_runs_on_one_seed_are_pairs(go: Go) -> None:
    """The recipe is here what trial 0 is too: on each seed both train to the same numbers."""
    outcome = go(racing(seeds=3, recipe={**POINT, "dropout1": 0.25}), connect=without_ray())
    by_candidate: dict[int | None, list[Any]] = {}
    for record in read_trials(outcome.run_dir, CONFIRM):
        losses = [epoch["train_loss"] for epoch in record.epochs]
        by_candidate.setdefault(record.attributes.get("candidate"), []).append(losses)
    assert by_candidate[0] == by_candidate[None]
    assert len({str(losses) for losses in by_candidate[None]}) == 3


def test_the_recipe_may_lie_outside_the_space_never_wins_and_keeps_no_checkpoint(go: Go) -> None:
    trained: list[dict[str, Any]] = []

    def perfect(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        trial = trials.stage.study.trial(trials.live[ray_trial_id].number)
        if "recipe" in trial.user_attrs:
            assert trial.params == {}
            trained.append(trials.stage.hyperparameters(trial).model_dump())
            result = {**result, "val_accuracy": 1.0}
        return trials.on_result(ray_trial_id, result, checkpoint)

    wanted = experiment(
        search={"trials": 2},
        hyperparameters={"batch_size": 100, "optimizer": "adamw", "learning_rate": 0.01},
        confirm={"top": 1, "seeds": 2, "recipe": {**POINT, "learning_rate": 2}},
    )
    outcome = go(wanted, connect=without_ray(perfect))
    recipe = Hyperparameters(**{**POINT, "learning_rate": 2.0}).model_dump()
    assert trained == [recipe] * 4  # 2 seeds of 2 epochs
    assert (recipe["optimizer"], recipe["dropout2"]) == ("adadelta", 0.5)
    assert outcome.winner is not None
    assert outcome.winner.candidate in (0, 1)
    records = read_trials(outcome.run_dir, CONFIRM)
    there = [record for record in records if checkpoints.is_there(CheckpointStore(outcome.run_dir), record.attributes)]
    assert [record.number for record in there] == [outcome.winner.run.number]


def test_the_last_lines_say_what_the_search_was_worth(go: Go, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = go(racing(seeds=2, recipe={"epochs": 1}), connect=without_ray(wobbling(behind=None)))
    assert conclude(outcome, Progress(), "again", "retry") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["winner", "gain", "cost", "model", "classify"]
    assert " points over the article's recipe with epochs = 1 (95 % interval, simultaneous for 3 " in lines[1]
    assert lines[2].startswith("cost      3 trials, 6 epochs, ")
    assert "; confirmation: 8 runs, 14 epochs, " in lines[2]


def test_a_later_candidate_gets_as_many_seeds_as_the_others_have_reached(go: Go) -> None:
    go(racing(seeds=2, most_seeds=4), connect=without_ray(wobbling(behind=None)))

    def best_last(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        if trials.stage.study.name == CONFIRM:
            return wobbling(behind=None)(trials, ray_trial_id, result, checkpoint)
        return trials.on_result(ray_trial_id, {**result, "val_accuracy": 1.0}, checkpoint)

    more = experiment(
        search={"trials": 4},
        hyperparameters={"batch_size": 100},
        confirm={"top": 3, "seeds": 2, "most_seeds": 4},
    )
    assert runs_of(go(more, connect=without_ray(best_last)).run_dir)[3] == 4


def test_a_picked_trial_is_trained_on_fresh_seeds_and_exported_until_the_next_command(go: Go) -> None:
    wanted = experiment(search={"trials": 3}, hyperparameters={"batch_size": 100}, confirm={"top": 1, "seeds": 2})
    outcome = go(wanted, connect=without_ray())
    before, confirmed = winner_of(outcome.run_dir), numbers(outcome.run_dir, CONFIRM)
    assert before is not None
    pick = (before.candidate + 1) % 3
    picked = go(wanted, searching=False, pick=pick, connect=without_ray())
    values = [record.value or 0.0 for record in read_trials(picked.run_dir, PICKED)]
    card = read_card(picked.run_dir / "export")
    source = card.provenance["source"]
    assert (source["candidate"], source["study"], source["picked"]) == (pick, PICKED, True)
    assert card.metrics["val_accuracy"] == pytest.approx(sum(values) / 2)
    assert card.metrics["val_accuracy_of"] == "mean of 2 fresh seeds"
    assert scores(picked.run_dir / "export").startswith(f"picked    trial {pick}: validation ")
    assert winner_of(outcome.run_dir) == before
    assert numbers(outcome.run_dir, CONFIRM) == confirmed
    again = go(wanted, searching=False, pick=pick, connect=without_ray())
    assert read_card(again.run_dir / "export") == card  # it is settled
    go(wanted, searching=False, connect=without_ray())
    assert read_card(picked.run_dir / "export").provenance["source"] == {
        "candidate": before.candidate, "study": CONFIRM, "run": before.run.number, "refit": False
    }  # fmt: skip


def test_a_candidate_may_be_picked_after_the_export_without_more_training(go: Go) -> None:
    wanted = racing(seeds=2)
    outcome = go(wanted, connect=without_ray())
    pick = next(number for number in range(3) if outcome.winner and number != outcome.winner.candidate)
    go(wanted, searching=False, pick=pick, connect=without_ray())
    assert read_card(outcome.run_dir / "export").provenance["source"]["study"] == CONFIRM
    assert read_trials(outcome.run_dir, PICKED) == []


def test_picking_the_winner_changes_nothing(go: Go) -> None:
    wanted = racing(seeds=2)
    outcome = go(wanted, connect=without_ray())
    assert outcome.winner is not None
    card = read_card(outcome.run_dir / "export")
    go(wanted, searching=False, pick=outcome.winner.candidate, connect=without_ray())
    assert read_card(outcome.run_dir / "export") == card


def test_only_a_complete_trial_of_the_search_may_be_picked(go: Go) -> None:
    def second_fails(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        [live] = trials.live.values()
        wrong = trials.stage.study.name != CONFIRM and live.number == 1
        return trials.on_result(ray_trial_id, {"error": "boom"} if wrong else result, checkpoint)

    wanted = racing(seeds=1)
    go(wanted, connect=without_ray(second_fails))
    for pick, words in ((3, "no such trial; the search has 3, numbered from 0"), (-1, "no such trial"),
                        (1, "did not run to its end; pick a complete trial (the best are ")):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            go(wanted, searching=False, pick=pick, connect=without_ray())
        assert str(caught.value).startswith(f"--pick {pick}: {words}")


def record_states(records: list[TrialRecord]) -> list[str]:
    return [record.state for record in records]


def test_a_pick_whose_runs_all_fail_is_refused_and_the_export_stays(go: Go) -> None:
    def fail(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        return trials.on_result(ray_trial_id, {"error": "boom"}, checkpoint)

    wanted = experiment(search={"trials": 2}, hyperparameters={"batch_size": 100}, confirm={"top": 0, "seeds": 2})
    outcome = go(wanted, connect=without_ray())
    assert outcome.winner is not None
    card, pick = read_card(outcome.run_dir / "export"), 1 - outcome.winner.candidate
    with pytest.raises(ConfigError, match=f"--pick {pick}: no run of it on a fresh seed is complete"):
        go(wanted, searching=False, pick=pick, connect=without_ray(fail))
    assert record_states(read_trials(outcome.run_dir, PICKED)) == ["failed", "failed"]
    assert read_card(outcome.run_dir / "export") == card
