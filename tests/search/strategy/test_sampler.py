"""What is drawn: a function of (seed, trial number, stored trials), filling the space, never the same point twice."""

import math
from contextlib import suppress
from pathlib import Path
from typing import get_args

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from search.space import fits, grid, parse_space
from search.store import location
from search.store.study import SEARCH, StoredStudy, open_study
from search.strategy.pruner import AsyncHalvingPruner
from search.strategy.sampler import SamplerName, SeededSampler
from tests.search.studies import SEARCHED, metrics


def opened(run_dir: Path, sampler: SamplerName = "random", seed: int = 0) -> StoredStudy:
    run_dir.mkdir(exist_ok=True)
    known = {"learning_rate": 1.0, "kernel_size": 5}
    drawing = SeededSampler(sampler, seed, SEARCHED, guesses=known, near=0.5)
    return open_study(location.open_storage(run_dir), SEARCH, drawing)


def run_one(study: StoredStudy, value: float) -> None:
    number = study.study.ask(fixed_distributions=SEARCHED).number
    study.record_epoch(number, metrics(1, value))  # type: ignore[arg-type]
    study.finish(number, TrialState.COMPLETE)


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_samplers_fill_the_space(tmp_path: Path, sampler: SamplerName) -> None:
    study = opened(tmp_path, sampler)
    for value in range(14):
        run_one(study, value / 20)
    trials = study.trials()
    assert all(set(trial.params) == set(SEARCHED) for trial in trials)
    assert len({tuple(trial.params.items()) for trial in trials}) == 14


def killed_in_a_draw(study: StoredStudy) -> None:
    """Draw, and be killed before anything of it is stored."""
    with suppress(KeyboardInterrupt), study.event():
        study.study.ask(fixed_distributions=SEARCHED)
        raise KeyboardInterrupt


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_draws_are_a_function_of_seed_number_and_stored_trials(tmp_path: Path, sampler: SamplerName) -> None:
    """Interrupted after the draw, or before anything of it was stored: the same trial follows."""
    drawn = []
    for name in ("straight", "interrupted"):
        study = opened(tmp_path / name, sampler, seed=3)
        for number in range(13):
            if name == "interrupted" and number % 2:
                killed_in_a_draw(study)
                study = opened(tmp_path / name, sampler, seed=3)
            if name == "interrupted" and number % 3 == 0:
                study.study.ask(fixed_distributions=SEARCHED)  # killed after the draw
                study = opened(tmp_path / name, sampler, seed=3)
                study.requeue_interrupted()
            run_one(study, number / 20)
        drawn.append([trial.params for trial in study.trials()])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("sampler", get_args(SamplerName))
@pytest.mark.parametrize("limit", [None, 20_000])
def test_the_order_of_keys_changes_no_draw(sampler: SamplerName, limit: int | None) -> None:
    """Those of the start-up, near the guesses or not, of the model, and near the best; and what fits a limit."""
    table = {
        "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
        "conv2_width": {"low": 8, "high": 64, "step": 8},
        "pool": ["late", "early"],
        "kernel_size": [3, 5, 7],
        "dropout1": {"low": 0.0, "high": 0.5},
    }
    drawn = []
    for keys in (list(table), list(reversed(table))):
        space = parse_space({key: table[key] for key in keys}, limit)
        guesses = {"learning_rate": 1.0, "dropout1": 0.25}
        guesses = {key: guesses[key] for key in keys if key in guesses}
        drawing = SeededSampler(sampler, 0, space.searched, 8, guesses=guesses, near=0.5, space=space)
        study = optuna.create_study(direction="maximize", sampler=drawing)
        for _ in range(16):
            trial = study.ask(fixed_distributions=space.searched)
            study.tell(trial, trial.params["learning_rate"] - trial.params["dropout1"])
        drawn.append([trial.params for trial in study.trials])
    assert drawn[0] == drawn[1]


def test_other_seeds_draw_other_points(tmp_path: Path) -> None:
    drawn = [opened(tmp_path / str(seed), seed=seed).study.ask(fixed_distributions=SEARCHED).params for seed in (0, 1)]
    assert drawn[0] != drawn[1]


def ask_all(searched: dict[str, BaseDistribution], count: int) -> list[dict[str, object]]:
    study = optuna.create_study(sampler=SeededSampler("random", 0, searched))
    return [study.ask(fixed_distributions=searched).params for _ in range(count)]


def test_a_small_space_is_gone_through_to_its_end() -> None:
    points = ask_all(parse_space({"kernel_size": [3, 5, 7], "pool": ["late", "early"]}).searched, 6)
    assert len({tuple(sorted(point.items())) for point in points}) == 6


class Counted(dict[str, object]):
    """A point that counts with how many others it is compared."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


def test_unused_points_are_found_without_comparing_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = parse_space({"kernel_size": [3, 5, 7], "batch_size": {"low": 1, "high": 100}}).searched
    points = [Counted(point) for point in grid(searched)]
    monkeypatch.setattr("search.strategy.sampler.grid", lambda _: points)
    monkeypatch.setattr(SeededSampler, "_draw", lambda *_: {"kernel_size": 3, "batch_size": 1})
    assert len({tuple(point.items()) for point in ask_all(searched, 50)}) == 50
    assert Counted.comparisons == 0


def test_the_first_points_fill_the_space_evenly() -> None:
    """Of 8 points of a Sobol sequence each eighth of every field's room holds one."""
    searched = parse_space(
        {"dropout1": {"low": 0.0, "high": 0.8}, "learning_rate": {"low": 0.01, "high": 1.0, "log": True}}
    ).searched
    study = optuna.create_study(sampler=SeededSampler("gp", 5, searched, startup=8))
    points = [study.ask(fixed_distributions=searched).params for _ in range(8)]
    assert {int(point["dropout1"] / 0.1) for point in points} == set(range(8))
    assert {int((math.log10(point["learning_rate"]) + 2) * 4) for point in points} == set(range(8))


def test_the_model_draws_after_the_start_up_though_few_trials_are_complete() -> None:
    """The best dropout is 0.3. Draws of the model gather round it; those at random have a mean distance of 0.13."""
    searched = parse_space({"dropout1": {"low": 0.0, "high": 0.5}}).searched
    sampler = SeededSampler("gp", 2, searched, startup=4)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=AsyncHalvingPruner(1, 3))

    def objective(trial: optuna.Trial) -> float:
        value = 0.9 - (trial.suggest_float("dropout1", 0.0, 0.5) - 0.3) ** 2
        for epoch in range(1, 10):
            trial.report(value + epoch / 100, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value + 0.09

    study.optimize(objective, 12)
    assert [trial.state.name for trial in study.trials[:6]].count("COMPLETE") <= 3
    distances = [abs(trial.params["dropout1"] - 0.3) for trial in study.trials[5:]]
    assert sum(distances) / len(distances) < 0.03


def drawn_near(near: float, guesses: dict[str, float]) -> list[float]:
    """The dropout rates of 60 trials, of which 40 come before the model; the first, of 0.4, is the best of all."""
    searched = parse_space({"dropout1": {"low": 0.0, "high": 0.5}}).searched
    sampler = SeededSampler("tpe", 1, searched, 40, guesses=guesses, near=near)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({"dropout1": 0.4})
    for number in range(60):
        study.tell(study.ask(fixed_distributions=searched), float(number == 0))
    return [trial.params["dropout1"] for trial in study.trials]


def test_a_share_of_the_first_trials_lies_near_the_guesses() -> None:
    """Without any the rates are uniform: 11 of 20 lie above 0.225, three standard deviations from a guess of 0."""

    def share_above(near: float, guesses: dict[str, float]) -> float:
        return sum(rate > 0.225 for rate in drawn_near(near, guesses)[1:40]) / 39

    assert share_above(1.0, {}) == pytest.approx(0.55, abs=0.05)
    assert share_above(0.0, {"dropout1": 0.0}) == pytest.approx(0.55, abs=0.05)
    assert share_above(0.5, {"dropout1": 0.0}) == pytest.approx(0.275, abs=0.1)
    assert share_above(1.0, {"dropout1": 0.0}) == 0


def test_later_ones_lie_near_the_best_so_far_wherever_the_guesses_were() -> None:
    later = drawn_near(1.0, {"dropout1": 0.1})[40:]
    assert sum(later) / len(later) == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_no_trial_lies_near_a_failed_one_for_want_of_others(sampler: SamplerName) -> None:
    """The only value of a search is the best, though a failed trial, which counts as the worst, came before it."""
    searched = parse_space({"dropout1": {"low": 0.0, "high": 0.5}}).searched
    study = optuna.create_study(direction="maximize", sampler=SeededSampler(sampler, 1, searched, 2, near=1.0))
    for rate, value in ((0.05, None), (0.4, 0.9)):
        study.enqueue_trial({"dropout1": rate})
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.tell(study.ask(fixed_distributions=searched), value, state)
    rates = [study.ask(fixed_distributions=searched).params["dropout1"] for _ in range(20)]
    assert sum(rates) / len(rates) == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_failures_teach_a_model_nothing_as_long_as_there_is_a_single_value(sampler: SamplerName) -> None:
    """They draw as trials do that are still without a value."""
    drawn = []
    for state in (TrialState.FAIL, TrialState.RUNNING):
        drawing = SeededSampler(sampler, 1, SEARCHED, startup=2, near=0.0)
        study = optuna.create_study(direction="maximize", sampler=drawing)
        for value in (None, 0.9, None):
            trial = study.ask(SEARCHED)
            if value is not None:
                study.tell(trial, value)
            elif state == TrialState.FAIL:
                study.tell(trial, state=state)
        drawn.append(study.ask(SEARCHED).params)
    assert drawn[0] == drawn[1]


def test_samplers_that_learn_nothing_stay_as_they_are() -> None:
    for name in ("random", "qmc"):
        drawn = []
        for near in (0.0, 1.0):
            sampler = SeededSampler(name, 0, SEARCHED, guesses={"dropout1": 0.2}, near=near)  # type: ignore[arg-type]
            study = optuna.create_study(sampler=sampler)
            drawn.append([study.ask(fixed_distributions=SEARCHED).params for _ in range(5)])
        assert drawn[0] == drawn[1]


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_no_network_beyond_the_limit_is_ever_drawn(sampler: SamplerName) -> None:
    """The wider the network the better here, so that what a model learns leads it beyond the limit."""
    wide = {"low": 8, "high": 128}
    table = {"conv2_width": wide, "hidden_width": wide, "dropout1": {"low": 0.0, "high": 0.5}, "pool": "early"}
    space = parse_space(table, max_parameters=50_000)
    study = optuna.create_study(
        direction="maximize", sampler=SeededSampler(sampler, 0, space.searched, startup=4, space=space)
    )
    for _ in range(9):
        trial = study.ask(fixed_distributions=space.searched)
        study.tell(trial, trial.params["conv2_width"] * trial.params["hidden_width"])
    assert all(fits(space, trial.params) for trial in study.trials)
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 9


def test_a_small_space_is_gone_through_as_far_as_its_networks_are_small_enough() -> None:
    space = parse_space({"kernel_size": [3, 5, 7], "conv2_width": [8, 16, 32, 64], "pool": "early"}, 40_000)
    within = [point for point in grid(space.searched) if fits(space, point)]
    assert 1 < len(within) < 12
    study = optuna.create_study(sampler=SeededSampler("tpe", 0, space.searched, space=space))
    drawn = [study.ask(fixed_distributions=space.searched).params for _ in within]
    assert sorted(map(str, drawn)) == sorted(map(str, within))


def test_any_optuna_study_can_use_it() -> None:
    """Outside of this product: a plain study in memory, and a parameter that the sampler was not told of."""
    sampler = SeededSampler("tpe", 0, SEARCHED)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("other", 0, 1) + trial.suggest_float("dropout1", 0, 0.5), 12)
    again = optuna.create_study(sampler=sampler)
    again.optimize(lambda trial: trial.suggest_float("other", 0, 1) + trial.suggest_float("dropout1", 0, 0.5), 12)
    assert [trial.params for trial in study.trials] == [trial.params for trial in again.trials]
