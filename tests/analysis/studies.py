"""Small studies on disk for the tests, written with the functions that a search itself uses."""

import json
import math
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import TrialState

from model.card import FILES, ModelCard, Normalisation, sums
from model.hyperparameters import RECIPE, Hyperparameters
from search.experiment import Experiment, parse_experiment
from search.space import complete
from search.store.candidates import attributes_of, recipe_attributes
from search.store.location import open_storage
from search.store.resolved import resolved
from search.store.study import CONFIRM, OF_RECIPE, SEARCH, StoredStudy, open_study
from search.strategy.pruner import AsyncHalvingPruner
from search.strategy.sampler import SeededSampler

STARTED = 1_764_000_000.0
ENVIRONMENT = {
    "versions": {"python": "3.11", "note": "<b>&"},
    "machine": {"cpus": 2},
    "command": "python -m search",
}
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
HALVING_SPACE = {
    "epochs": 9,
    "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
    "conv1_width": {"low": 16, "high": 64, "step": 16},
    "kernel_size": [3, 5, 7],
    "pool": ["late", "early"],
    "dropout2": {"low": 0.0, "high": 0.7},
}


class Writer:
    """Fills the folder of a run, trial by trial or with a whole synthetic search. A clock advances 2 s per epoch."""

    def __init__(self, run_dir: Path, table: dict[str, Any], automatic: dict[str, Any] | None = None) -> None:
        run_dir.mkdir(parents=True)
        self.run_dir = run_dir
        self.experiment: Experiment = parse_experiment(table)
        text = resolved(self.experiment, {"dataset": "mnist", "validation_images": 10_000, **(automatic or {})})
        (run_dir / "experiment.toml").write_text(text)
        (run_dir / "environment.json").write_text(json.dumps(ENVIRONMENT))
        self.storage = open_storage(run_dir)
        sampler = SeededSampler("random", self.experiment.search.seed, self.experiment.space.searched)
        self.study = open_study(self.storage, SEARCH, sampler, AsyncHalvingPruner(1, 3))
        self.clock = 0.0

    def begin(self, params: dict[str, Any] | None = None, study: StoredStudy | None = None, **attributes: Any) -> int:
        """Start a trial with `params`, or with those that the sampler draws, and return its number."""
        study = study or self.study
        if params is not None:
            study.enqueue(params, **attributes)
        searched = {} if OF_RECIPE in attributes else self.experiment.space.searched
        number = study.study.ask(fixed_distributions=searched).number
        about = {"started": STARTED + self.clock, "seed": 17, "node": "here", "device": "cpu", "gpu": []}
        differences = attributes.get(OF_RECIPE)
        params = study.trial(number).params
        point = complete(self.experiment.space, params) if differences is None else Hyperparameters(**differences)
        size = {"num_parameters": point.num_parameters, "milliseconds_per_image": synthetic_latency(point, number)}
        study.set_attributes(number, **{**about, **size, **attributes})
        return number

    def epoch(self, number: int, accuracy: float, study: StoredStudy | None = None, **changed: float) -> None:
        """Record the trial's next epoch; `changed` replaces single metrics."""
        study = study or self.study
        epoch = 1 + (study.trial(number).last_step or 0)
        self.clock += 2.0
        metrics = {
            "epoch": epoch,
            "train_loss": 0.3 / epoch,
            "val_loss": 2 * (1 - accuracy),
            "val_accuracy": accuracy,
            "seconds": 2.0,
            "images_per_second": 1000.0 * epoch,
            "clock": self.clock,
        }
        study.record_epoch(number, {**metrics, **changed})

    def end(self, number: int, state: str, error: str | None = None, study: StoredStudy | None = None) -> None:
        """End the trial as complete, pruned or failed."""
        (study or self.study).finish(number, STATES[state], error)

    def trial(
        self, accuracies: list[float], state: str = "complete", params: dict[str, Any] | None = None, **more: Any
    ) -> int:
        """Write a whole trial and return its number; the state "open" leaves it as a killed search would."""
        number = self.begin(params)
        for accuracy in accuracies:
            self.epoch(number, accuracy)
        if state != "open":
            self.end(number, state, **more)
        return number

    def confirm(
        self, candidate: int, accuracies: list[float], params: dict[str, Any], stage: str = CONFIRM, **more: Any
    ) -> None:
        """Write complete runs of one candidate on fresh seeds, with one epoch each, in the confirmation by default."""
        study = open_study(self.storage, stage)
        for run, accuracy in enumerate(accuracies, start=1):
            self._repeat(accuracy, params, study, {**attributes_of(candidate, run), **more})

    def recipe(self, accuracies: list[float], differences: dict[str, Any]) -> None:
        """Write complete confirmation runs of the recipe but for `differences`, with one epoch each."""
        study = open_study(self.storage, CONFIRM)
        for run, accuracy in enumerate(accuracies, start=1):
            self._repeat(accuracy, {}, study, recipe_attributes(differences, run))

    def _repeat(self, accuracy: float, params: dict[str, Any], study: StoredStudy, attributes: dict[str, Any]) -> None:
        number = self.begin(params, study, **attributes)
        self.epoch(number, accuracy, study)
        self.end(number, "complete", study=study)

    def export(self, metrics: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Write an export with a valid card and two predictions; its other files are empty."""
        card = ModelCard(
            hyperparameters=RECIPE,
            classes=list("0123456789"),
            normalisation=Normalisation(mean=0.13, std=0.31),
            temperature=1.2,
            metrics=metrics,
            provenance=provenance,
            sha256="0" * 64,
            num_parameters=1,
        )
        predictions = b"index,label,prediction,probability,correct\n0,7,7,0.99,True\n1,4,9,0.6,False\n"
        files = dict.fromkeys(FILES, b"") | {"model.json": card.model_dump_json().encode()}
        files["test_predictions.csv"] = predictions
        (self.run_dir / "export").mkdir()
        for name, contents in {**files, "SHA256SUMS": sums(files)}.items():
            (self.run_dir / "export" / name).write_bytes(contents)

    def halving_search(self, trials: int) -> None:
        """Write a search with successive halving, in which every 13th trial fails and accuracies are smooth."""
        for _ in range(trials):
            number = self.begin()
            if number % 13 == 7:
                self.end(number, "failed", f"OutOfMemoryError: {number} MiB were missing")
            else:
                self.end(number, self._train(number, complete(self.experiment.space, self.study.trial(number).params)))

    def _train(self, number: int, point: Hyperparameters) -> str:
        """Record the trial's epochs until it is complete or stopped at a rung, and return its state."""
        for epoch in range(1, point.epochs + 1):
            self.epoch(number, synthetic_accuracy(point, epoch, number))
            if epoch < point.epochs and self.study.study.pruner.prune(self.study.study, self.study.trial(number)):
                return "pruned"
        return "complete"


class NewRun(Protocol):
    """The fixture `new_run`: creates an empty run, whose search has the settings `search`."""

    def __call__(
        self,
        hyperparameters: dict[str, Any] | None = None,
        name: str = "run",
        automatic: dict[str, Any] | None = None,
        confirm: dict[str, Any] | None = None,
        **search: Any,
    ) -> Writer: ...


def synthetic_accuracy(point: Hyperparameters, epoch: int, number: int) -> float:
    """Return an accuracy that is best near learning_rate 0.8, wide and with early pooling, and poor above 2.5."""
    if point.learning_rate > 2.5:
        return 0.1135
    error = 0.006 + 0.02 * math.log(point.learning_rate / 0.8) ** 2 + 0.03 / epoch**1.3
    error += 0.00004 * (64 - point.conv1_width) + 0.002 * (point.pool == "late") + 0.004 * (point.dropout2 - 0.4) ** 2
    wobble = math.sin(12.9898 * number + 78.233 * epoch) * 0.0008
    return round(1 - error + wobble, 4)


def synthetic_latency(point: Hyperparameters, number: int) -> float:
    """Return milliseconds for one image: more for wide layers and large kernels, fewer for early pooling."""
    work = point.conv1_width * point.kernel_size**2 * (1.0 if point.pool == "late" else 0.3)
    return round(0.1 + work / 1000 + 0.02 * math.sin(7.0 * number), 4)
