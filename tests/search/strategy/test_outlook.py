"""What is expected of a trial that was stopped early, against values worked out by hand."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.constraint import BROKEN, valid
from search.strategy.outlook import learned, outlook
from search.strategy.pace import training_pace

UP = StudyDirection.MAXIMIZE
SCHEDULES = {"schedule": CategoricalDistribution(["step", "one-cycle"])}


def trial(number: int, *values: float, state: str = "PRUNED", schedule: str = "step") -> FrozenTrial:
    """A trial with these values after epochs 1, 2, ..."""
    found = create_trial(
        state=TrialState[state],
        value=values[-1] if state == "COMPLETE" else None,
        params={"schedule": schedule},
        distributions=SCHEDULES,
        intermediate_values=dict(enumerate(values, 1)),
    )
    found.number = number
    return found


def test_a_stopped_trial_gains_what_complete_ones_gained_from_there() -> None:
    trials = [
        trial(0, 0.5, 0.7, 0.9, state="COMPLETE"),
        trial(1, 0.6, 0.8, 0.8, state="COMPLETE"),
        trial(2, 0.4),
        trial(3, 0.5, 0.6, state="RUNNING"),
    ]
    assert outlook(trials, UP) == pytest.approx({0: 0.9, 1: 0.8, 2: 0.4 + 0.3, 3: 0.6 + 0.1})


def test_gains_are_those_of_the_same_pace() -> None:
    trials = [
        trial(0, 0.8, 0.9, state="COMPLETE"),
        trial(1, 0.5, 0.95, state="COMPLETE", schedule="one-cycle"),
        trial(2, 0.7),
        trial(3, 0.4, schedule="one-cycle"),
    ]
    assert outlook(trials, UP, training_pace({})) == pytest.approx({0: 0.9, 1: 0.95, 2: 0.8, 3: 0.85})
    del trials[1]  # no one-cycle is complete: the gain of the others must do
    assert outlook(trials, UP, training_pace({}))[3] == pytest.approx(0.5)


def test_before_any_trial_is_complete_all_are_compared_at_their_first_epoch() -> None:
    assert outlook([trial(0, 0.5, 0.9), trial(1, 0.6)], UP) == {0: 0.5, 1: 0.6}


@pytest.mark.parametrize(("direction", "sign"), [("MAXIMIZE", 1), ("MINIMIZE", -1)])
def test_no_stopped_trial_is_expected_to_beat_the_best_complete_one(direction: str, sign: int) -> None:
    values = [[0.3, 0.9], [0.8], [0.95]]  # the mean gain of 0.6 would put the others beyond 1
    complete, *stopped = [[sign * value for value in of_one] for of_one in values]
    trials = [trial(0, *complete, state="COMPLETE"), *(trial(n, *found) for n, found in enumerate(stopped, 1))]
    assert outlook(trials, StudyDirection[direction]) == {0: sign * 0.9, 1: sign * 0.9, 2: sign * 0.95}


@pytest.mark.parametrize(("direction", "worst"), [("MAXIMIZE", 0.5), ("MINIMIZE", 0.6)])
def test_a_failed_trial_counts_as_the_worst(direction: str, worst: float) -> None:
    trials = [trial(0, 0.5), trial(1, 0.6), trial(2, 0.9, float("nan"), state="FAIL")]
    assert outlook(trials, StudyDirection[direction])[2] == worst


def test_a_trial_gains_what_longer_ones_of_its_group_gained_up_to_its_own_end() -> None:
    lengths = {"epochs": IntDistribution(2, 4), "schedule": CategoricalDistribution(["step", "one-cycle"])}

    def of(number: int, length: int, *values: float, schedule: str = "step") -> FrozenTrial:
        found = trial(number, *values, state="COMPLETE" if len(values) == length else "PRUNED")
        found.params, found.distributions = {"epochs": length, "schedule": schedule}, lengths
        return found

    trials = [of(0, 4, 0.5, 0.6, 0.65, 0.7), of(1, 2, 0.2, 0.6), of(2, 2, 0.1), of(3, 3, 0.1), of(4, 4, 0.1)]
    trials.append(of(5, 3, 0.1, schedule="one-cycle"))  # whose gains are those of all, to their own ends
    found = outlook(trials, UP, training_pace({}))
    assert found == pytest.approx({0: 0.7, 1: 0.6, 2: 0.1 + 0.25, 3: 0.1 + 0.15, 4: 0.1 + 0.2, 5: 0.1 + 0.3})


def test_a_trial_that_counts_as_the_worst_is_marked_as_such() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trials([trial(0, state="FAIL"), trial(1, 0.5, state="COMPLETE"), trial(2, 0.9)])
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.9}, user_attrs={BROKEN: "slow"}))
    assert [one.number for one in valid(learned(study, dict(SCHEDULES)))] == [1, 2]


def test_only_begun_trials_teach_anything() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trials([trial(0, 0.5, state="COMPLETE"), trial(1, state="RUNNING"), trial(2, 0.4, state="WAITING")])
    found = learned(study, dict(SCHEDULES))
    assert [(one.state.name, one.values) for one in found] == [("COMPLETE", [0.5]), ("RUNNING", None)]
    assert found[0].params == {"schedule": "step"}


def test_a_trial_that_exceeds_a_limit_counts_as_the_worst_however_accurate_it_is() -> None:
    trials = [trial(0, 0.5, 0.7, state="COMPLETE"), trial(1, 0.9), trial(2, 0.3)]
    trials[1].set_user_attr(BROKEN, "too slow")
    assert outlook(trials, UP) == pytest.approx({0: 0.7, 1: 0.5, 2: 0.5})
