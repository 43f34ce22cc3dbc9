"""The runs that the tests of the analysis share: empty ones to fill, and one finished search."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from tests.analysis.studies import HALVING_SPACE, NewRun, Writer


@pytest.fixture
def new_run(tmp_path: Path) -> NewRun:
    """Create empty runs, which search `hyperparameters` or, without any, train the recipe once."""

    def create(
        hyperparameters: dict[str, Any] | None = None,
        name: str = "run",
        automatic: dict[str, Any] | None = None,
        confirm: dict[str, Any] | None = None,
        **search: Any,
    ) -> Writer:
        trials = 1 if hyperparameters is None else 60
        searching = {"trials": trials, "recipe_first": False, "pruner": "none", **search}
        table = {"search": searching, "hyperparameters": hyperparameters or {}, "confirm": confirm or {}}
        return Writer(tmp_path / name, table, automatic)

    return create


@pytest.fixture(scope="session")
def halving_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a finished search of 60 trials with halving, failures and confirmation, which no test may change."""
    run_dir = tmp_path_factory.mktemp("runs") / "halving"
    search = {"trials": 60, "recipe_first": False, "grace_epochs": 1}
    writer = Writer(run_dir, {"search": search, "hyperparameters": HALVING_SPACE, "confirm": {"top": 3, "seeds": 3}})
    writer.halving_search(60)
    best = sorted(writer.study.trials(TrialState.COMPLETE), key=lambda trial: -(trial.value or 0))[:3]
    for place, trial in enumerate(best):
        accuracies = [(trial.value or 0) + shift - 0.0003 * place for shift in (-0.0006, 0.0002, 0.0004)]
        writer.confirm(trial.number, accuracies, trial.params)
    writer.export(
        metrics={"test_accuracy": 0.9927, "test_images": 10_000, "test_scorings": 2},
        provenance={"source": {"candidate": best[0].number}},
    )
    return run_dir
