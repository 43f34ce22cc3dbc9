"""Promotion as a pure function of stored values, against rankings worked out by hand."""

import random

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.constraint import BROKEN
from search.strategy.pace import training_pace
from search.strategy.promotion import PAUSED, Promotion

SCHEDULES = {"schedule": CategoricalDistribution(["step", "one-cycle", "constant"])}
RULE = Promotion(grace_epochs=1, reduction_factor=3)


def trials_of(*rows: tuple[dict[int, float], int | None], schedule: str = "step", first: int = 0) -> list[FrozenTrial]:
    """Trials that run: their values by epoch, and the rung at which they are paused."""
    found = []
    for number, (values, paused) in enumerate(rows, first):
        trial = create_trial(
            state=TrialState.RUNNING,
            params={"schedule": schedule},
            distributions=SCHEDULES,
            intermediate_values=values,
            user_attrs={PAUSED: paused},
        )
        trial.number = number
        found.append(trial)
    return found


def test_nobody_goes_on_before_a_whole_third_is_one_trial() -> None:
    two = trials_of(({1: 0.9}, 1), ({1: 0.8}, 1))
    assert RULE.next_of(two, more=True) is None
    assert RULE.next_of([*two, *trials_of(({1: 0.7}, 1), first=2)], more=True) == 0


def test_the_best_of_all_that_reached_a_rung_go_on_not_the_first() -> None:
    found = trials_of(({1: 0.1}, 1), ({1: 0.9, 2: 0.95}, None), ({1: 0.3}, 1), ({1: 0.2}, 1), ({1: 0.4}, 1))
    assert RULE.next_of(found, more=True) is None  # the third of five is one, and it goes on already
    assert RULE.next_of([*found, *trials_of(({1: 0.35}, 1), first=5)], more=True) == 4


def test_the_highest_rung_comes_first() -> None:
    found = trials_of(*(({1: 0.5, 2: 0.6, 3: 0.7 + number / 100}, 3) for number in range(3)))
    found += trials_of(*(({1: 0.9}, 1) for _ in range(9)), first=3)
    assert RULE.next_of(found, more=True) == 2


def test_once_nobody_else_can_come_as_many_go_on_as_there_are_finalists() -> None:
    found = trials_of(({1: 0.1}, 1), ({1: 0.2}, 1))
    rule = Promotion(grace_epochs=1, reduction_factor=3, finalists=2)
    assert rule.next_of(found, more=False) == 1
    assert rule.next_of(found, more=True) is None
    assert rule.next_of([*found, *trials_of(({}, None), first=2)], more=False) is None  # it may come yet
    late = trials_of(({1: 0.1}, 1), ({1: 0.2, 2: 0.3, 3: 0.4}, 3))
    assert rule.next_of(late, more=False) == 0  # the other's rung is still open for it
    both = trials_of(({1: 0.1, 3: 0.2}, 3), ({1: 0.2, 2: 0.3, 3: 0.4}, 3))
    assert rule.next_of(both, more=False) == 1


def test_only_peers_are_compared() -> None:
    rule = Promotion(grace_epochs=1, reduction_factor=3, pace=training_pace({}))
    found = trials_of(*(({1: 0.9 + number / 100}, 1) for number in range(2)))
    found += trials_of(*(({1: 0.5 + number / 100}, 1) for number in range(3)), schedule="one-cycle", first=2)
    assert rule.next_of(found, more=True) == 4


def test_groups_of_peers_share_the_finalists() -> None:
    rule = Promotion(grace_epochs=1, reduction_factor=30, finalists=3, pace=training_pace({}))
    many = trials_of(({1: 0.5, 2: 0.9}, None), ({1: 0.4, 2: 0.9}, None), ({1: 0.3}, 1), ({1: 0.2}, 1))
    few = trials_of(({1: 0.9, 2: 0.95}, None), ({1: 0.8}, 1), schedule="one-cycle", first=4)
    assert rule.next_of([*many, *few], more=False) is None  # two of four and one of two go on already
    assert rule.next_of(many, more=False) == 2  # without the others all three are theirs


def test_a_failed_trial_makes_room_and_a_pruned_one_may_still_go_on() -> None:
    found = trials_of(({1: 0.9}, None), ({1: 0.5}, 1), ({1: 0.4}, 1), ({1: 0.3}, 1))
    found[0].state = TrialState.FAIL
    found[1].state = TrialState.PRUNED
    assert RULE.next_of(found, more=True) == 1


def test_a_trial_that_exceeds_a_limit_takes_no_place() -> None:
    found = trials_of(({1: 0.9}, None), ({1: 0.5}, 1), ({1: 0.4}, 1), ({1: 0.3}, 1))
    found[0].state = TrialState.PRUNED
    assert RULE.next_of(found, more=True) is None
    found[0].set_user_attr(BROKEN, "too slow")
    assert RULE.next_of(found, more=True) == 1


def searched(schedule: str, trials: int) -> tuple[int, int]:
    """Return how many trials of 3 to 14 epochs had begun when the first one completed, and how many completed.

    One trial trains at a time. It is simulated: a trial that is better is so at each epoch, but for some noise.
    """
    rule = Promotion(finalists=3, pace=training_pace({"schedule": schedule}))
    draw = random.Random(0)
    found: list[FrozenTrial] = []
    begun_at_first = 0
    while True:
        number = rule.next_of(found, more=len(found) < trials)
        if number is None:
            if len(found) == trials:
                return begun_at_first, sum(trial.state == TrialState.COMPLETE for trial in found)
            number = len(found)
            lengths = {"epochs": IntDistribution(3, 14)}
            params = {"epochs": draw.randint(3, 14)}
            found.append(create_trial(state=TrialState.RUNNING, params=params, distributions=lengths))
            found[number].number = number
            found[number].set_user_attr("quality", draw.random())
        trial = found[number]
        trial.set_user_attr(PAUSED, None)
        while trial.state == TrialState.RUNNING and trial.user_attrs[PAUSED] is None:
            epoch = (trial.last_step or 0) + 1
            trial.intermediate_values[epoch] = trial.user_attrs["quality"] + draw.gauss(epoch / 10, 0.02)
            if epoch == trial.params["epochs"]:
                trial.state, trial.value = TrialState.COMPLETE, trial.intermediate_values[epoch]
                begun_at_first = begun_at_first or len(found)
            elif epoch in rule.rungs(trial.params["epochs"]):
                trial.set_user_attr(PAUSED, epoch)


def test_trials_of_many_lengths_complete_long_before_all_have_begun() -> None:
    begun, completed = searched("step", 40)
    assert begun <= 20
    assert 3 <= completed <= 8
    begun, completed = searched("one-cycle", 40)  # whose trials of other lengths can't be compared
    assert begun == 40
    assert completed > 8


@pytest.mark.parametrize("schedule", ["step", "constant"])
def test_a_trial_that_ends_before_a_rung_is_not_waited_for_there(schedule: str) -> None:
    def of(number: int, length: int, values: dict[int, float], paused: int | None) -> FrozenTrial:
        (trial,) = trials_of((values, paused), schedule=schedule, first=number)
        trial.params["epochs"] = length
        return trial

    rule = Promotion(reduction_factor=2, finalists=1, pace=training_pace({}))
    paused = of(0, 9, {1: 0.9, 2: 0.9, 4: 0.9}, 4)
    assert rule.next_of([paused, of(1, 3, {1: 0.1}, None)], more=False) == 0
    assert rule.next_of([paused, of(1, 4, {1: 0.1}, None)], more=False) is None  # it ends there, and may be better
    assert rule.next_of([paused, of(1, 4, {1: 0.1, 2: 0.2, 4: 0.95}, None)], more=False) is None  # it is better
    assert rule.next_of([paused, of(1, 4, {1: 0.1, 2: 0.2, 4: 0.8}, None)], more=True) == 0
