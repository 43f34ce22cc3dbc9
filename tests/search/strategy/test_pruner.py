"""Asynchronous successive halving, against values worked out by hand, and as any user of Optuna may use it."""

from collections.abc import Sequence

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.constraint import BROKEN
from search.strategy.pace import training_pace
from search.strategy.pruner import AsyncHalvingPruner, PrunerName, make_pruner


def study_of(values: list[float], direction: str = "maximize") -> optuna.Study:
    """A study in memory whose trials have reported one value each, at step 1."""
    study = optuna.create_study(direction=direction)
    for value in values:
        study.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values={1: value}))
    return study


def survivors(values: list[float], factor: int, direction: str = "maximize") -> list[float]:
    study, pruner = study_of(values, direction), AsyncHalvingPruner(1, factor)
    return [trial.intermediate_values[1] for trial in study.trials if not pruner.prune(study, trial)]


@pytest.mark.parametrize(
    ("epochs", "grace", "factor", "expected"),
    [(14, 1, 3, [1, 3, 9]), (9, 1, 3, [1, 3]), (3, 1, 3, [1]), (3, 3, 2, []), (100, 4, 2, [4, 8, 16, 32, 64])],
)
def test_rungs_end_before_the_last_epoch(epochs: int, grace: int, factor: int, expected: list[int]) -> None:
    assert AsyncHalvingPruner(grace, factor).rungs(epochs) == expected


@pytest.mark.parametrize(
    ("values", "factor", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 3, [0.5, 0.6]),
        ([0.1], 3, [0.1]),  # the first always goes on
        ([0.5, 0.5, 0.5, 0.5], 4, [0.5] * 4),  # and so do ties
        ([0.5, 0.4], 3, [0.5]),
        ([0.2, float("nan"), 0.1], 2, [0.2]),
    ],
)
def test_the_best_share_survives(values: list[float], factor: int, expected: list[float]) -> None:
    assert survivors(values, factor) == expected


def test_the_lowest_survive_where_a_study_minimizes() -> None:
    assert survivors([0.1, 0.2, 0.3, 0.4], 2, "minimize") == [0.1, 0.2]


def test_nothing_is_decided_between_rungs_or_before_the_first_report() -> None:
    study = study_of([0.9, 0.1])
    late = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.9, 2: 0.0})
    pruner = AsyncHalvingPruner(grace_epochs=1, reduction_factor=3)
    assert not pruner.prune(study, late)
    assert not pruner.prune(study, create_trial(state=TrialState.RUNNING))


@pytest.mark.parametrize(
    ("steps", "judged"),
    [
        (range(1, 9), [1, 2, 4, 8]),
        (range(9), [1, 2, 4, 8]),
        ((10, 20, 30, 40), [10, 20, 40]),  # past rungs 8, 16 and 32
        ((0, 10, 20, 30, 40), [10, 20, 40]),
        ((100, 200, 300), [100, 200, 300]),  # past rungs 64, 128 and 256
        ((3, 5, 6, 7), [3, 5]),
    ],
)
def test_a_trial_is_judged_at_its_first_step_at_or_past_each_rung(steps: Sequence[int], judged: list[int]) -> None:
    """It lies behind each of its peers at each step, so that it would be stopped wherever it is judged."""
    study, pruner = optuna.create_study(direction="maximize"), AsyncHalvingPruner()
    for _ in range(4):
        study.add_trial(create_trial(value=0.9, intermediate_values=dict.fromkeys(steps, 0.9)))
    found = []
    for number in range(1, len(steps) + 1):
        values = dict.fromkeys(steps[:number], 0.1)
        trial = create_trial(state=TrialState.RUNNING, intermediate_values=values)
        if pruner.prune(study, trial):
            found.append(steps[number - 1])
    assert found == judged


def test_peers_are_judged_by_their_own_first_step_at_or_past_a_rung() -> None:
    study, pruner = optuna.create_study(direction="maximize"), AsyncHalvingPruner(grace_epochs=4)
    for values in ({3: 0.9}, {3: 0.9, 5: 0.4, 6: 0.9}, {6: 0.3, 7: 0.9}, {7: 0.2}):
        study.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values=values))
    for value, stops in ((0.29, True), (0.31, False)):  # the better half of 0.4, 0.3, 0.2 and its own goes on
        study.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values={4: value}))
        assert pruner.prune(study, study.trials[-1]) == stops


@pytest.mark.parametrize("steps", [range(10, 101, 10), range(100, 1001, 100), range(0, 71, 7)])
def test_a_study_whose_steps_hit_no_rung_prunes_too_and_keeps_its_best(steps: Sequence[int]) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in steps:
            trial.report(x * step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=AsyncHalvingPruner())
    study.optimize(objective, n_trials=20)
    assert [trial.state for trial in study.trials].count(TrialState.PRUNED) > 10
    assert study.best_value == max(trial.params["x"] for trial in study.trials)


def test_a_failed_trial_stops_no_other() -> None:
    study, pruner = study_of([0.5, 0.4, 0.3]), AsyncHalvingPruner(1, 3)
    assert not pruner.prune(study, study.trials[0])
    study.add_trial(create_trial(state=TrialState.FAIL, intermediate_values={1: 0.9}))
    assert not pruner.prune(study, study.trials[0])


def of_schedule(schedule: str, *values: float, state: TrialState = TrialState.RUNNING) -> FrozenTrial:
    return create_trial(
        state=state,
        value=values[-1] if state == TrialState.COMPLETE else None,
        params={"schedule": schedule},
        distributions={"schedule": CategoricalDistribution(["step", "one-cycle"])},
        intermediate_values=dict(enumerate(values, 1)),
    )


def test_a_schedule_that_pays_off_late_is_compared_with_its_like_alone() -> None:
    """Measured pairs: after one of 14 epochs one-cycle has 68.8 to 88.7 %, step 94.2 to 95.3 %; at the end it leads."""
    study = optuna.create_study(direction="maximize")
    for value in (0.942, 0.946, 0.951, 0.953):
        study.add_trial(of_schedule("step", value))
    for value in (0.688, 0.752, 0.841, 0.887):
        study.add_trial(of_schedule("one-cycle", value))

    def surviving(pruner: AsyncHalvingPruner) -> list[float]:
        return [trial.intermediate_values[1] for trial in study.trials if not pruner.prune(study, trial)]

    assert surviving(AsyncHalvingPruner(1, 4)) == [0.951, 0.953]
    assert surviving(AsyncHalvingPruner(1, 4, pace=training_pace({}))) == [0.953, 0.887]
    configured = make_pruner("halving", grace_epochs=1, reduction_factor=4, pace=training_pace({}))
    assert isinstance(configured, AsyncHalvingPruner)
    assert surviving(configured) == [0.953, 0.887]


def test_the_median_is_that_of_the_same_pace() -> None:
    study = optuna.create_study(direction="maximize")
    for value in range(6):
        study.add_trial(of_schedule("step", 0.9, 0.9 + value / 100, state=TrialState.COMPLETE))
        study.add_trial(of_schedule("one-cycle", 0.5, 0.5 + value / 100, state=TrialState.COMPLETE))
    late = of_schedule("one-cycle", 0.5, 0.54)
    assert MedianPruner(n_warmup_steps=1).prune(study, late)
    configured = make_pruner("median", grace_epochs=1, reduction_factor=3, pace=training_pace({}))
    assert not configured.prune(study, late)
    assert configured.prune(study, of_schedule("one-cycle", 0.4, 0.41))


def test_impossible_settings_are_refused() -> None:
    for grace, factor in ((0, 3), (1, 1)):
        with pytest.raises(ValueError, match="must be >= 1 and >= 2"):
            AsyncHalvingPruner(grace, factor)


def test_a_plain_optuna_study_prunes_with_it_and_gets_the_same_answer_twice() -> None:
    """Outside of this product: study.optimize, trial.report and trial.should_prune."""
    answers: list[tuple[bool, bool]] = []

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(1, 10):
            trial.report(x * step, step)
            answers.append((trial.should_prune(), trial.should_prune()))
            if answers[-1][0]:
                raise optuna.TrialPruned
        return x

    sampler = optuna.samplers.RandomSampler(seed=3)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=AsyncHalvingPruner(1, 3))
    study.optimize(objective, n_trials=30)
    assert all(first == second for first, second in answers)
    ended: dict[TrialState, list[FrozenTrial]] = {}
    for trial in study.trials:
        ended.setdefault(trial.state, []).append(trial)
    assert {trial.last_step for trial in ended[TrialState.PRUNED]} <= {1, 3, 9}
    assert 1 <= len(ended[TrialState.COMPLETE]) < len(ended[TrialState.PRUNED])
    assert study.best_value == max(trial.params["x"] for trial in study.trials)


@pytest.mark.parametrize("name", ["halving", "median"])
def test_a_trial_that_exceeds_a_limit_stops_no_other(name: PrunerName) -> None:
    study, pruner = (
        optuna.create_study(direction="maximize"),
        make_pruner(name, grace_epochs=1, reduction_factor=3, pace=training_pace({})),
    )

    def of(value: float, **attributes: str) -> FrozenTrial:
        values = {1: value, 2: value}
        return create_trial(state=TrialState.COMPLETE, value=value, intermediate_values=values, user_attrs=attributes)

    for value in (0.1, 0.2, 0.3, 0.4, 0.5):
        study.add_trial(of(value))
    good = create_trial(
        state=TrialState.RUNNING, intermediate_values={1: 0.6, 2: 0.6} if name == "median" else {1: 0.6}
    )
    for _ in range(9):
        study.add_trial(of(0.9, **{BROKEN: "too slow"}))
    assert not pruner.prune(study, good)
    for _ in range(9):
        study.add_trial(of(0.9))
    assert pruner.prune(study, good)


@pytest.mark.parametrize(("schedule", "stops"), [("step", True), ("constant", True), ("one-cycle", False)])
@pytest.mark.parametrize("name", ["halving", "median"])
def test_trials_of_other_lengths_are_peers_where_early_values_mean_the_same(
    name: PrunerName, schedule: str, stops: bool
) -> None:
    study = optuna.create_study(direction="maximize")
    pruner = make_pruner(name, grace_epochs=1, reduction_factor=2, pace=training_pace({"schedule": schedule}))

    def of(length: int, values: list[float], state: TrialState) -> FrozenTrial:
        return create_trial(
            state=state,
            value=values[-1] if state == TrialState.COMPLETE else None,
            params={"epochs": length},
            distributions={"epochs": IntDistribution(3, 14)},
            intermediate_values=dict(enumerate(values, 1)),
        )

    for length in range(4, 10):
        study.add_trial(of(length, [0.9] * length, TrialState.COMPLETE))
    late = of(14, [0.1, 0.1], TrialState.RUNNING)
    study.add_trial(late)
    assert pruner.prune(study, late) == stops
