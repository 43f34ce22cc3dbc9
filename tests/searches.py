"""Whole searches within a test's own process: Ray for them, a tiny experiment, its numbers, poison for its trials."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from search.experiment import Experiment, parse_experiment
from search.store.records import read_trials
from search.store.study import SEARCH
from search.winner import Outcome

Go = Callable[..., Outcome]  # the fixtures `go` and `go_without`

TINY = {
    "data": {"validation_images": 100},
    "search": {"trials": 4, "pruner": "none", "sampler": "random"},
    "hyperparameters": {
        "epochs": 2,
        "conv1_width": 2,
        "conv2_width": 2,
        "hidden_width": 16,
        "pool": "early",
        "batch_size": 16,
        "dropout1": {"low": 0.0, "high": 0.3},
    },
    "confirm": {"top": 2, "seeds": 2},
    "resources": {"cpus_per_trial": 2},  # one worker at a time: its start costs most of a tiny search
}


@contextmanager
def private_ray(**resources: int) -> Iterator[None]:
    """A Ray that searches in this process share: each would else start its own, for five seconds."""
    import ray

    from search.on_ray.private import OBJECT_STORE_BYTES
    from search.on_ray.ray_internals import silence_stdout

    silence_stdout()
    temporary = tempfile.mkdtemp(prefix="dt-", dir="/tmp")  # short: Ray puts sockets there
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init("local", _temp_dir=temporary, object_store_memory=OBJECT_STORE_BYTES, **quiet, **resources)
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


def experiment(**tables: dict[str, Any]) -> Experiment:
    """The tiny experiment, with some keys of its tables changed."""
    return parse_experiment({key: {**TINY.get(key, {}), **tables.get(key, {})} for key in {**TINY, **tables}})


def numbers(run_dir: Path, name: str = SEARCH) -> list[tuple[Any, ...]]:
    """Everything of a study's trials that is not a time, a path or a process."""
    return [
        (
            record.number,
            record.state,
            record.value,
            tuple(record.params.items()),
            tuple((epoch["train_loss"], epoch["val_loss"], epoch["val_accuracy"]) for epoch in record.epochs),
        )
        for record in read_trials(run_dir, name)
    ]


def poison(monkeypatch: pytest.MonkeyPatch, act: Callable[[int, Any, list[str]], Any]) -> None:
    """Let `act(trial number, metrics, its checkpoints)` happen in the worker after a trial's first epoch.

    What it returns takes the place of the metrics, unless it is None.
    """
    from search.on_ray import tuning
    from search.on_ray.trial import run_trial

    def poisoned(config: dict[str, Any], data: dict[str, Any]) -> None:
        import search.on_ray.trial

        real = search.on_ray.trial.__dict__.setdefault("_real_fit", search.on_ray.trial.fit)

        def fit(state: Any, dataset: Any, precision: Any) -> Any:
            for metrics in real(state, dataset, precision):
                replaced = act(config["number"], metrics, config["checkpoints"]) if metrics.epoch == 1 else None
                yield replaced or metrics

        search.on_ray.trial.fit = fit  # type: ignore[assignment]
        run_trial(config, data)

    monkeypatch.setattr(tuning, "run_trial", poisoned)
