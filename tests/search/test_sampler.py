"""What is drawn: a function of (seed, trial number, stored trials), filling the space, never the same point twice."""

from contextlib import suppress
from pathlib import Path
from typing import get_args

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from search.sampler import SamplerName, SeededSampler
from search.space import parse_space
from search.store import location
from search.store.study import SEARCH, StoredStudy, open_study
from tests.search.studies import SEARCHED, metrics


def opened(run_dir: Path, sampler: SamplerName = "random", seed: int = 0) -> StoredStudy:
    run_dir.mkdir(exist_ok=True)
    return open_study(location.open_storage(run_dir), SEARCH, SeededSampler(sampler, seed, SEARCHED))


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
    assert len({trial.params["learning_rate"] for trial in trials}) == 14


def killed_in_a_draw(study: StoredStudy) -> None:
    """Draw, and be killed before anything of it is stored."""
    with suppress(KeyboardInterrupt), study.event():
        study.study.ask(fixed_distributions=SEARCHED)
        raise KeyboardInterrupt


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
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


def test_other_seeds_draw_other_points(tmp_path: Path) -> None:
    drawn = [opened(tmp_path / str(seed), seed=seed).study.ask(fixed_distributions=SEARCHED).params for seed in (0, 1)]
    assert drawn[0] != drawn[1]


def ask_all(searched: dict[str, BaseDistribution], count: int) -> list[dict[str, object]]:
    study = optuna.create_study(sampler=SeededSampler("random", 0, searched))
    return [study.ask(fixed_distributions=searched).params for _ in range(count)]


def test_a_small_space_is_gone_through_to_its_end() -> None:
    points = ask_all(parse_space({"kernel_size": [3, 5, 7], "pool": ["late", "early"]}).searched, 6)
    assert len({tuple(sorted(point.items())) for point in points}) == 6


def test_any_optuna_study_can_use_it() -> None:
    """Outside of this product: a plain study in memory, and a parameter that the sampler was not told of."""
    sampler = SeededSampler("tpe", 0, SEARCHED)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("other", 0, 1) + trial.suggest_float("dropout1", 0, 0.5), 12)
    again = optuna.create_study(sampler=sampler)
    again.optimize(lambda trial: trial.suggest_float("other", 0, 1) + trial.suggest_float("dropout1", 0, 0.5), 12)
    assert [trial.params for trial in study.trials] == [trial.params for trial in again.trials]
