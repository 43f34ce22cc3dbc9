"""A run that ended well, made without Ray and without training; tests damage copies of it."""

import json
import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState

from model.checkpoint import save
from model.data import Dataset, load_dataset
from model.train import start
from search import stages
from search.experiment import Experiment, parse_experiment
from search.space import complete
from search.store.resolved import resolved
from search.store.study import SEARCH
from tests.chaos.damage.ways import CPU, TRIALS, metrics, run_of
from tests.without_ray import OneByOne


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    tiny = {"epochs": 2, "conv1_width": 2, "conv2_width": 2, "hidden_width": 16, "pool": "early"}
    return parse_experiment(
        {
            "data": {"validation_images": 100},
            "search": {"trials": TRIALS, "recipe_first": False, "sampler": "random", "pruner": "none"},
            "hyperparameters": {**tiny, "dropout1": {"low": 0.0, "high": 0.3}},
            "confirm": {"top": 0},
        }
    )


@pytest.fixture(scope="module")
def dataset(tiny_root: Path) -> Dataset:
    return load_dataset("mnist", tiny_root, validation_images=100)


@pytest.fixture(scope="module")
def finished(experiment: Experiment, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that ended well. Tests must not change it."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    run_dir.mkdir()
    (run_dir / "experiment.toml").write_text(resolved(experiment, {"dataset": "mnist"}))
    (run_dir / "environment.json").write_text(json.dumps({"versions": {"python": "3"}}))
    run = run_of(run_dir, experiment, dataset)
    study = run.study(SEARCH)
    for number in range(TRIALS):
        params = study.study.ask(fixed_distributions=experiment.space.searched).params
        checkpoint = f"ray/session/{number}/checkpoint_000001"
        study.set_attributes(number, started=1.0, saved_state={"place": checkpoint, "epoch": 2})
        for epoch in (1, 2):
            study.record_epoch(number, metrics(epoch, 0.5 + number / 100))
        study.finish(number, TrialState.COMPLETE)
        (run_dir / checkpoint).mkdir(parents=True)
        save(start(complete(experiment.space, params), seed=0, number=number, device=CPU), run_dir / checkpoint)
    stages.export(run, OneByOne())
    run.storage.close()
    return run_dir


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run for a test to damage."""
    return Path(shutil.copytree(finished, tmp_path / "run"))
