"""When a search has enough trials, against values worked out by hand."""

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.constraint import BROKEN
from search.strategy.stop import Stopping

RULE = Stopping(trials=30, startup=4, images=900)  # of accuracies of 0.9 the noise is 0.01


def trials_of(*values: float | None) -> list[FrozenTrial]:
    """Trials that were stopped after one epoch with these values; None waits in line."""
    found = []
    for number, value in enumerate(values):
        state = TrialState.WAITING if value is None else TrialState.PRUNED
        trial = create_trial(state=state, intermediate_values={} if value is None else {1: value})
        trial.number = number
        found.append(trial)
    return found


def test_a_search_ends_after_so_many_trials_without_a_gain() -> None:
    assert RULE.patience == 10
    assert Stopping(trials=100, startup=4, images=900).patience == 34
    assert not RULE.has_enough(trials_of(*[0.9] * 13))
    assert RULE.has_enough(trials_of(*[0.9] * 14))
    assert not Stopping(30, startup=5, images=900).has_enough(trials_of(*[0.9] * 14))


def test_a_gain_within_the_noise_is_none() -> None:
    for gain, enough in ((0.009, True), (0.011, False)):
        for place in (4, 13):
            values = [0.9] * 14
            values[place] += gain
            assert RULE.has_enough(trials_of(*values)) == enough
    assert RULE.has_enough(trials_of(*[0.9] * 3, 0.95, *[0.9] * 10))  # the gain is older than the patience
    assert not RULE.has_enough(trials_of(*[0.9] * 4, 0.95, *[0.9] * 9))


def test_many_small_gains_are_one_great_gain() -> None:
    assert not RULE.has_enough(trials_of(*[0.9] * 4, *(0.9 + 0.002 * step for step in range(10))))


def test_trials_that_gain_much_after_the_epoch_of_a_stop_do_not_stop_the_rule() -> None:
    late = create_trial(value=0.99, intermediate_values={1: 0.7, 2: 0.99})
    trials = [late, *trials_of(*[0.9] * 14)]
    for number, trial in enumerate(trials):
        trial.number = number
    assert RULE.has_enough(trials)  # 0.9 and a gain of 0.29 is no accuracy
    assert "0.33 points" in RULE.reason(trials)


def test_trials_without_a_value_count_for_nothing() -> None:
    assert not RULE.has_enough(trials_of(*[0.9] * 13, None))
    assert not RULE.has_enough([])


@pytest.mark.parametrize("cause", ["failed", "exceeds a limit"])
def test_trials_whose_values_do_not_count_are_no_sign_of_convergence(cause: str) -> None:
    """Fifteen that improve, and then twenty that say nothing."""
    improving = [0.5 + 0.02 * step for step in range(15)]
    trials = trials_of(*improving, *[0.3] * 20)
    for trial in trials[15:]:
        if cause == "failed":
            trial.state = TrialState.FAIL
        else:
            trial.set_user_attr(BROKEN, "too slow")
    assert not RULE.has_enough(trials)
    trials += trials_of(*[0.78] * 9)
    for number, trial in enumerate(trials):
        trial.number = number
    assert not RULE.has_enough(trials)
    trials += trials_of(0.78)
    trials[-1].number = len(trials) - 1
    assert RULE.has_enough(trials)
    assert "its last 10 with a value gained no more" in RULE.reason(trials)


def test_what_was_saved_is_said_in_one_line() -> None:
    assert RULE.reason(trials_of(*[0.9] * 20)) == (
        "the search ends after 20 of 30 trials, as its last 10 with a value gained no more than the noise of "
        "one accuracy, 1.00 points: 10 trials, about 10 epochs, are saved (raise --trials or drop search.stop to go on)"
    )
