"""What the driver takes for each event when there are many trials: python -m benchmarks.scale [RUNNING [FINISHED ...]]

RUNNING trials (64) train at once, after FINISHED ones (0 1000 10000), in the space of configs/mnist.toml, with
promotion. The workers are imitated: what is measured is the driver with its study on the disk, and nothing of Ray. It
prints, in seconds, and as one JSON line:
  load      opening the study of FINISHED trials of up to 10 epochs, as a resumed search does
  wave      handing out a new trial to each of RUNNING workers, with TPE; "random" is as many more, without a model
  report    storing an epoch of a trial and deciding on it, a median
  promote   handing out a paused trial, a median
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.experiment import load_experiment
from search.progress import Progress
from search.store import location
from search.store.checkpoint_store import CheckpointStore
from search.store.stage import Stage
from search.store.study import EPOCH, SEARCH, StoredStudy, open_study
from search.strategy.given import quiet_optuna
from search.strategy.pace import training_pace
from search.strategy.promotion import Promotion
from search.strategy.sampler import SamplerName, SeededSampler, startup_of
from search.trials import Trials

SPACE = load_experiment(Path(__file__).parents[1] / "configs" / "mnist.toml").space
PACE = training_pace(SPACE.fixed)
EPOCHS, EVENTS = 10, 30
Seconds = dict[str, float]


def main(running: str = "64", *finished: str) -> None:
    found = {}
    for count in finished or ("0", "1000", "10000"):
        with tempfile.TemporaryDirectory() as folder, quiet_optuna():
            _fill(Path(folder), int(count))
            found[count] = _measured(Path(folder), int(running), int(count))
        said = ", ".join(f"{event} {seconds:.3f}" for event, seconds in found[count].items())
        print(f"{running} running, {count} finished: {said}", flush=True)
    print(json.dumps(found))


def _fill(folder: Path, count: int) -> None:
    """Store `count` trials as a search leaves them: of each rung half go on."""
    study, random = _study(folder, "random"), np.random.default_rng(0)
    points = optuna.create_study(sampler=RandomSampler(seed=0))
    with study.event():
        for _ in range(count):
            rungs = min(int(random.geometric(0.5)) - 1, 4)
            study.study.add_trial(made_up_trial(points.ask(SPACE.searched).params, min(2**rungs, EPOCHS), random))
    study.storage.close()


def made_up_trial(params: dict[str, Any], epochs: int, random: np.random.Generator, began: float = 0) -> FrozenTrial:
    """Return a trial whose first epoch begins after `began` seconds of searching, and each of which takes one."""
    results = [_result(epoch, random) for epoch in range(1, epochs + 1)]
    return create_trial(
        state=TrialState.COMPLETE if epochs == EPOCHS else TrialState.PRUNED,
        params=params,
        distributions=SPACE.searched,
        value=results[-1]["val_accuracy"],
        intermediate_values={result["epoch"]: result["val_accuracy"] for result in results},
        user_attrs={f"{EPOCH}{result['epoch']}": {**result, "clock": began + result["epoch"]} for result in results},
    )


def _result(epoch: int, random: np.random.Generator) -> dict[str, Any]:
    losses = {"train_loss": 0.1, "val_loss": 0.1, "seconds": 1.0, "images_per_second": 1.0}
    return {"epoch": epoch, "val_accuracy": 0.9 + 0.01 * epoch * float(random.random()), **losses}


def _study(folder: Path, sampler: SamplerName) -> StoredStudy:
    drawing = SeededSampler(sampler, 0, SPACE.searched, startup_of(100), PACE, space=SPACE)
    return open_study(location.open_storage(folder), SEARCH, drawing)


def _measured(folder: Path, running: int, finished: int) -> Seconds:
    seconds: dict[str, list[float]] = {}

    @contextmanager
    def timed(event: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds.setdefault(event, []).append(time.perf_counter() - began)

    with timed("load"):
        study = _study(folder, "tpe")
    trials = Trials(
        Stage(CheckpointStore(folder), study, SPACE, seed=0, trials=finished + 10**6, promotion=Promotion(pace=PACE)),
        Progress(True),
    )
    for event, sampler in (("wave", "tpe"), ("random", "random")):
        study.study.sampler.name = sampler  # type: ignore[union-attr]
        with timed(event):
            for number in range(running):
                assert trials.next_config(f"{event} {number}")
    random = np.random.default_rng(1)
    for number in range(EVENTS):
        worker = next(iter(trials.live))
        epoch = (study.trial(trials.live[worker].number).last_step or 0) + 1
        with timed("report"):
            trials.on_result(worker, _result(epoch, random), None)
        with timed("promote"):
            assert trials.next_config(f"next {number}")
    size = (folder / "study.db").stat().st_size / 1e6
    return {event: median(taken) for event, taken in seconds.items()} | {"MB on disk": size}


if __name__ == "__main__":
    main(*sys.argv[1:])
