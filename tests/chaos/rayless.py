"""Searches in one process without Ray, killed at random points: python rayless.py DATA KILLS CONFIG ...

Each runs twice beside its CONFIG, below straight/ and killed/, and must have gone on from saved states between.

The ledger, the study and the worker's own function are the real ones; only Ray's part, carrying reports from the one
to the other, is done here by a plain call. So a kill can fall between any two writes, twenty of them within seconds.
"""

import os
import random
import shutil
import signal
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from ray import tune

from model.data import Dataset, load_dataset
from search import sampling, study, trial
from search.experiment import Experiment, load_experiment
from search.ledger import Ledger
from search.progress import Progress
from search.provenance import write_text
from search.resolved import resolved
from search.stage import Stage
from search.states import NEWEST


class EndedError(BaseException):
    """The ledger wants no more of this trial; not an Exception, which the worker's function would report."""


def search(experiment: Experiment, run_dir: Path, data: Dataset, ready: int) -> None:
    """The whole search, or what is left of it; a byte goes to `ready` when it begins to train."""
    torch.set_num_threads(1)
    storage = study.open_storage(run_dir)
    of_search = study.open_study(storage, study.SEARCH)
    study.requeue_interrupted(of_search)
    sampling.enqueue(of_search, experiment.first_points)
    stage = Stage(
        run_dir, of_search, experiment.space, experiment.search, trials=experiment.search.trials, cpus=1, kept_states=1
    )
    ledger = Ledger(stage, Progress(quiet=True))
    arrays = {**trial.to_arrays(data), "token": "images"}
    os.write(ready, b"!")
    while config := ledger.next_config(worker := uuid.uuid4().hex):
        tune.report = _reporter(ledger, worker, run_dir.absolute() / "ray" / worker)
        with suppress(EndedError):
            trial.run_trial(config, arrays)


def _reporter(ledger: Ledger, worker: str, attempt: Path) -> Any:
    def report(metrics: dict[str, Any], checkpoint: Any = None) -> None:
        flat = {key: value for key, value in metrics.items() if key != "about"}
        flat |= {f"about/{key}": value for key, value in metrics.get("about", {}).items()}
        place = None
        if checkpoint is not None:
            place = attempt / f"checkpoint_{metrics['epoch']:06d}"
            shutil.copytree(checkpoint.path, place)
        if not ledger.on_result(worker, flat, place):
            raise EndedError

    return report


def run(experiment: Experiment, run_dir: Path, data: Dataset, kills: int, seconds: float) -> float:
    """Run a search, and again after each of `kills` kills spread over `seconds`, up to its end; how long that took."""
    run_dir.mkdir(parents=True)
    write_text(run_dir / "experiment.toml", resolved(experiment, {"dataset": data.name}))
    dice, resumed, began = random.Random(kills), 0, 0.0
    for struck in range(kills + 1):
        heard, ready = os.pipe()
        child = os.fork()
        if child == 0:
            search(experiment, run_dir, data, ready)
            os._exit(0)
        os.close(ready)
        os.read(heard, 1)  # a kill of one that has not begun proves little
        os.close(heard)
        began = time.monotonic()
        if struck < kills:
            time.sleep(dice.uniform(0, 1.4 * seconds / kills))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and (struck < kills or status):
            sys.exit(f"{run_dir}: ended with {status} after {struck} of {kills} kills")
        resumed += any(r.state == "interrupted" and r.attributes.get(NEWEST) for r in study.read_trials(run_dir))
    if resumed < kills / 4:
        sys.exit(f"{run_dir}: only {resumed} of {kills} kills left a state to go on from")
    return time.monotonic() - began


if __name__ == "__main__":
    trial._device = lambda: (torch.device("cpu"), [])
    trial.MAY_BE_LOST = 0.0  # a state after every epoch: most kills are then followed by going on from one
    root, count, *configs = sys.argv[1:]
    for config in map(Path, configs):
        experiment = load_experiment(config)
        data = load_dataset("mnist", Path(root), validation_images=experiment.data.validation_images)
        seconds = run(experiment, config.parent / "straight" / config.stem, data, 0, 0.0)
        run(experiment, config.parent / "killed" / config.stem, data, int(count), seconds)
