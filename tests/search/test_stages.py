"""What follows a search, without Ray: who wins after failures, which network is exported, how often it is scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.run import read_run
from analysis.verdict import verdict
from search.store.records import read_trials
from search.store.study import CONFIRM, SEARCH
from search.trials import Trials
from search.winner import Outcome
from tests.searches import experiment
from tests.without_ray import OnResult, without_ray

Go = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("one_thread")


def changed(study: str, change: Callable[[Trials, dict[str, Any]], dict[str, Any]]) -> OnResult:
    """Let `change` return what replaces each result of one study."""

    def on_result(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        if trials.stage.study.name == study:
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

    outcome = go(experiment(confirm={"seeds": 3}), connect=without_ray(changed(CONFIRM, best_first_run_only)))
    best = max(read_trials(outcome.run_dir, SEARCH), key=lambda trial: (trial.value or 0, -trial.number))
    assert outcome.winner is not None
    assert outcome.winner.candidate != best.number
    told = f"2 of 3 confirmation runs of trial {best.number} failed (boom): too many for it to win."
    assert capsys.readouterr().err == f"{told}\n"
    report = read_run(outcome.run_dir)
    assert (report.winner, told in verdict(report)) == (outcome.winner.candidate, True)
