"""Who leads a confirmation, who wins it, and who gets another seed: from stored runs alone."""

from search.store.candidates import (
    Candidate,
    attributes_of,
    candidates_of,
    next_round,
    ranked,
    recipe_attributes,
    recipe_of,
)
from search.store.records import TrialRecord

WOBBLE = [0.0010, -0.0010, 0.0008, -0.0008, 0.0006, -0.0006, 0.0004, -0.0004]  # mean 0


def runs(candidate: int, *values: float | str, size: int = 1000, old: bool = False) -> list[TrialRecord]:
    """Return the runs of a candidate on seeds 1, 2, ...; a word in place of an accuracy is the run's state."""
    found = []
    for run, value in enumerate(values, start=1):
        attributes = {**attributes_of(candidate, run), "num_parameters": size}
        if old:
            del attributes["fresh_seed"]
        state, accuracy = (value, None) if isinstance(value, str) else ("complete", value)
        found.append(TrialRecord(run, state, accuracy, {}, [], attributes))
    return found


def around(mean: float, seeds: int) -> list[float]:
    return [mean + wobble for wobble in WOBBLE[:seeds]]


def candidates(*of_each: list[TrialRecord]) -> list[Candidate]:
    return candidates_of([run for of_one in of_each for run in of_one])


def round_of(*of_each: list[TrialRecord], most: int = 8) -> list[int]:
    return [candidate.number for candidate in next_round(candidates(*of_each), most)]


def order(*of_each: list[TrialRecord]) -> list[int]:
    return [candidate.number for candidate in ranked(candidates(*of_each))]


def test_the_leader_and_whom_seeds_can_not_tell_from_it_race_on_and_the_others_are_out() -> None:
    near = runs(3, *around(0.99, 4)[::-1])
    assert round_of(runs(1, *around(0.9902, 4)), runs(2, *around(0.95, 4)), near) == [1, 3]
    assert round_of(runs(1, *around(0.9902, 4)), runs(2, *around(0.95, 4))) == []


def test_a_race_ends_at_its_most_seeds_and_waits_for_all_runs_of_a_round() -> None:
    first, second = around(0.9902, 4), around(0.99, 4)[::-1]
    assert round_of(runs(1, *first), runs(3, *second), most=4) == []
    for state in ("waiting", "running", "interrupted"):
        assert round_of(runs(1, *first), runs(3, *second[:3], state)) == []
    assert round_of(runs(1, *first), runs(3, *second), most=5) == [1, 3]


def test_who_is_out_stays_out_though_its_mean_is_the_best() -> None:
    """It was worse on the seeds that both had; later seeds were hard for those that went on."""
    leader = [*around(0.99, 4), 0.95, 0.95]
    out = runs(2, *around(0.98, 4), size=10)
    assert round_of(runs(1, *leader), out, runs(3, *leader[::-1])) == [1, 3]
    assert order(runs(1, *leader), out, runs(3, *leader[::-1]))[-1] == 2


def test_whose_failed_runs_were_tried_again_with_success_catches_up() -> None:
    others = runs(2, *around(0.98, 8)), runs(3, *around(0.98, 8)[::-1])
    for seeds in (3, 7):
        assert round_of(runs(1, *around(0.99, seeds)), *others) == [1]
    assert order(runs(1, *around(0.99, 8)), *others)[0] == 1
    assert round_of(runs(1, *around(0.97, 3)), *others) == []  # behind on the seeds that both have: it is out


def test_who_fails_too_often_races_no_more_and_a_race_of_failures_ends() -> None:
    near, failing = runs(1, *around(0.99, 5)), runs(2, *around(0.991, 3)[::-1], "failed", "failed")
    assert round_of(near, failing, runs(3, *around(0.99, 5)[::-1])) == [1, 3]
    assert round_of(near, failing) == []
    assert round_of(runs(1, *["failed"] * 5), runs(2, *["failed"] * 5)) == []
    assert round_of() == []


def test_of_those_that_seeds_can_not_tell_apart_the_smallest_network_wins() -> None:
    large = runs(1, *around(0.9902, 6), size=9000)
    assert order(large, runs(2, *around(0.99, 6)[::-1], size=2000), runs(3, *around(0.9901, 6)[::-1])) == [3, 1, 2]
    assert order(large, runs(2, *around(0.97, 6)[::-1], size=2000)) == [1, 2]


def test_of_networks_of_about_one_size_the_better_mean_wins() -> None:
    first, second = runs(1, *around(0.9902, 6), size=100_190), runs(2, *around(0.99, 6)[::-1], size=100_000)
    assert order(first, second) == [1, 2]


def test_few_seeds_or_seeds_that_make_no_pairs_leave_the_choice_to_the_mean() -> None:
    for seeds, old in ((4, False), (6, True)):
        large = runs(1, *around(0.9902, seeds), size=9000, old=old)
        assert order(large, runs(2, *around(0.99, seeds)[::-1], size=2000, old=old)) == [1, 2]


def test_the_recipe_is_no_candidate() -> None:
    recipe = [TrialRecord(0, "complete", 0.999, {}, [], recipe_attributes({}, 1))]
    assert order(recipe, runs(1, 0.9)) == [1]
    found = recipe_of(recipe)
    assert found is not None
    assert found.scores == {1: 0.999}
    assert recipe_of(runs(1, 0.9)) is None
