"""The winner has one definition, which search and report share; a report trusts what was exported."""

from pathlib import Path
from typing import Any

import pytest

from analysis.tables.run import read_run
from search.store.records import TrialRecord
from search.store.study import CONFIRM, SEARCH
from search.winner import failures, find_winner, refusal, winner_of
from tests.analysis.studies import Writer


def record(number: int, value: float | None, state: str = "complete", **attributes: Any) -> TrialRecord:
    return TrialRecord(number, state, value, {}, [], attributes)


def test_the_best_complete_trial_wins_where_nothing_is_confirmed() -> None:
    searched = [record(0, 0.9), record(1, 0.95), record(2, 0.99, "pruned"), record(3, 0.95)]
    winner = find_winner(searched, [])
    assert winner is not None
    assert (winner.candidate, winner.study, winner.run.number, winner.mean) == (1, SEARCH, 1, 0.95)
    assert find_winner([record(0, None, "failed")], []) is None


def test_the_highest_mean_over_fresh_seeds_wins_with_its_best_run() -> None:
    searched = [record(0, 0.99), record(1, 0.98)]
    confirmed = [
        record(0, 0.97, candidate=0), record(1, 0.96, candidate=0), record(2, 0.98, candidate=1),
        record(3, 0.99, candidate=1), record(4, 0.999, "failed", candidate=0),
    ]  # fmt: skip
    winner = find_winner(searched, confirmed)
    assert winner is not None
    assert (winner.candidate, winner.study, winner.run.number) == (1, CONFIRM, 3)
    assert winner.accuracies == (0.99, 0.98)


def test_a_winner_says_what_its_accuracy_is() -> None:
    searched = [record(0, 0.9), record(1, 0.8, "pruned"), record(2, None, "failed"), record(3, None, "interrupted")]
    described = {
        "a single run, the best of 2 trials, hence optimistic": find_winner(searched, []),
        "a single run": find_winner(searched[:1], []),
        "mean of 2 fresh seeds": find_winner(searched, runs_of(0, 0.9, 0.8, None)),
        "one fresh seed": find_winner(searched, runs_of(0, 0.9)),
    }
    assert all(winner and winner.mean_of == words for words, winner in described.items())


def test_the_lower_number_wins_among_equals() -> None:
    winner = find_winner([], [record(0, 0.9, candidate=7), record(1, 0.9, candidate=4)])
    assert winner is not None
    assert winner.candidate == 4


def runs_of(candidate: int, *values: float | None, state: str = "failed") -> list[TrialRecord]:
    """Return confirmation runs of one candidate; a value of None stands for a run in `state`."""
    return [
        record(number, value, state if value is None else "complete", candidate=candidate)
        for number, value in enumerate(values)
    ]


def leader(*candidates: list[TrialRecord]) -> int:
    winner = find_winner([record(0, 0.5)], [run for runs in candidates for run in runs])
    assert winner is not None
    return winner.candidate


def test_a_candidate_that_fails_on_four_of_five_seeds_does_not_win_with_its_lucky_one() -> None:
    steady = runs_of(2, *[0.98] * 5)
    assert leader(runs_of(1, 0.999, None, None, None, None), steady) == 2
    assert leader(runs_of(1, 0.999, 0.999, 0.999, 0.999, None), steady) == 1  # one in five may fail
    assert leader(runs_of(1, 0.999, 0.999, None), steady) == 2


def test_a_run_that_has_not_ended_is_no_failure() -> None:
    assert leader(runs_of(1, 0.999, None, None, state="interrupted"), runs_of(2, 0.98, 0.98, 0.98)) == 1


def test_where_all_candidates_fail_too_often_the_least_share_of_failures_wins_then_the_mean() -> None:
    assert leader(runs_of(1, 0.999, None, None), runs_of(2, 0.9, 0.9, None)) == 2
    assert leader(runs_of(1, 0.9, None), runs_of(2, 0.95, None), runs_of(3, 0.99, None, None)) == 2
    assert leader(runs_of(1, None, None)) == 0  # the search's best trial


@pytest.mark.parametrize(
    ("accuracies", "accuracy", "images", "refused"),
    [
        ((0.98, 0.98), 0.1135, 2_000, True),
        ((0.98, 0.98), 0.9740, 2_000, False),  # 2 sqrt(0.98 * 0.02 / 2,000) = 0.0063
        ((0.98, 0.98), 0.9735, 2_000, True),
        ((0.98, 0.98), 0.96, 100, False),  # few images tell less
        ((0.97, 0.98, 0.99), 0.97, 2_000, True),  # seeds may differ: the best is there to be exported
        ((0.98,), 0.9740, 2_000, False),
        ((0.98,), 0.9735, 2_000, True),
        ((0.98, 0.11), 0.11, 2_000, True),  # a collapsed seed excuses no collapsed refit
        ((0.98, 0.11), 0.60, 2_000, True),  # which lies above the mean
        ((0.98, 0.98), 1.0, 2_000, False),
        ((1.0, 1.0), 0.9995, 2_000, False),
        ((1.0, 1.0), 0.997, 2_000, True),
        ((1.0, 1.0), 0.95, 20, False),
    ],
)
def test_a_refit_is_refused_that_lies_below_what_is_exported_instead_by_more_than_noise(
    accuracies: tuple[float, ...], accuracy: float, images: int, refused: bool
) -> None:
    winner = find_winner([], runs_of(1, *accuracies))
    assert winner is not None
    assert (refusal(winner, accuracy, images) is not None) == refused


def test_failures_are_told_with_what_follows_from_them() -> None:
    failed = {"state": "failed", "error": "boom.\nmore"}
    confirmed = [record(n, 0.9, candidate=1) for n in range(4)] + [record(4, None, candidate=1, **failed)]
    confirmed += [record(5, 0.99, candidate=3), record(6, None, candidate=3, **failed), *runs_of(5, 0.8, 0.8)]
    assert failures([], confirmed) == [
        "1 of 5 confirmation runs of trial 1 failed (boom): few enough that it may win.",
        "1 of 2 confirmation runs of trial 3 failed (boom): too many for it to win.",
    ]
    assert failures([], confirmed[5:7]) == [
        "1 of 2 confirmation runs of trial 3 failed (boom): "
        "it leads all the same, as no candidate has a smaller share of failures."
    ]


def new_run(tmp_path: Path) -> Writer:
    searching = {"trials": 3, "recipe_first": False, "pruner": "none"}
    return Writer(tmp_path / "run", {"search": searching, "hyperparameters": {"dropout1": {"low": 0.0, "high": 0.5}}})


def test_a_report_names_the_winner_that_the_search_would_export(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.trial([0.9, 0.99], params={"dropout1": 0.1})
    run.trial([0.9, 0.98], params={"dropout1": 0.2})
    assert read_run(run.run_dir).winner == winner_of(run.run_dir).candidate == 0  # type: ignore[union-attr]
    run.confirm(0, [0.970], {"dropout1": 0.1})
    run.confirm(1, [0.981], {"dropout1": 0.2})
    assert read_run(run.run_dir).winner == winner_of(run.run_dir).candidate == 1  # type: ignore[union-attr]


def test_a_report_trusts_the_export(tmp_path: Path) -> None:
    """An extended search may have a new leader before it is exported: what lies in export/ is still the other."""
    run = new_run(tmp_path)
    for accuracy in (0.9, 0.95):
        run.trial([accuracy])
    run.export(metrics={"test_accuracy": 0.9}, provenance={"source": {"candidate": 0}})
    assert read_run(run.run_dir).winner == 0
