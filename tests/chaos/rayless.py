"""Whole runs in one process without Ray, killed at random points: python rayless.py DATA KILLS CONFIG ...

The run, the ledger, the study, the export and the worker's own function are the real ones; only Ray's part, carrying
reports from worker to ledger, is done here by a plain call. So a kill can fall between any two writes, twenty of them
within seconds. Each CONFIG runs twice, beside it below straight/ and killed/.
"""

import os
import random
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from ray import tune

from model.data import load_dataset
from search import confirm, run, study, trial
from search.engine import Engine
from search.experiment import Experiment, load_experiment
from search.ledger import Ledger
from search.progress import Progress
from search.resources import Node
from search.run import run_search
from search.stage import Stage
from search.states import NEWEST


class EndedError(BaseException):
    """The ledger wants no more of this trial; not an Exception, which the worker's function would report."""


def run_stage(engine: Engine, stage: Stage) -> Ledger:
    """In place of search.engine's: one trial after the other, in this process."""
    ledger = Ledger(stage, engine.progress)
    while config := ledger.next_config(worker := uuid.uuid4().hex):
        tune.report = _reporter(ledger, worker, stage.run_dir.absolute() / "ray" / stage.name / worker)
        with suppress(EndedError):
            trial.run_trial(config, engine.data)
    return ledger


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


def killed_run(experiment: Experiment, run_dir: Path, data: Path, kills: int, seconds: float) -> float | None:
    """Run, and again after each of `kills` kills spread over `seconds`, up to the end.

    How long the last of them ran; None if it was over before all kills were made."""
    dice, resumed, began = random.Random(kills), 0, 0.0
    for struck in range(kills + 1):
        heard, ready = os.pipe()
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            run.connected = _connected(ready)
            run_search(experiment, run_dir, Progress(quiet=True), resume=True, data=data)
            os._exit(0)
        os.close(ready)
        os.read(heard, 1)  # a kill of one that has not begun proves little
        os.close(heard)
        began = time.monotonic()
        if struck < kills:
            time.sleep(dice.uniform(0, 2 * seconds / kills))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and status:
            sys.exit(f"{run_dir}: ended with {status} after {struck} of {kills} kills")
        if os.WIFEXITED(status) and struck < kills:
            return None
        resumed += any(r.state == "interrupted" and r.attributes.get(NEWEST) for r in study.read_trials(run_dir))
    if resumed < kills / 5:
        sys.exit(f"{run_dir}: only {resumed} of {kills} kills left a state to go on from")
    return time.monotonic() - began


def _connected(ready: int) -> Any:
    @contextmanager
    def connected(*_: Any) -> Iterator[threading.Event]:
        os.write(ready, b"!")
        yield threading.Event()

    return connected


if __name__ == "__main__":
    for module in (run, confirm):
        module.run_stage = run_stage
        module.cluster_nodes = lambda: [Node("here", 1, 0)]
    trial._device = lambda: (torch.device("cpu"), [])
    trial.MAY_BE_LOST = 0.0  # a state after every epoch: most kills are then followed by going on from one
    root, count, *configs = sys.argv[1:]
    load_dataset("mnist", Path(root), validation_images=100)  # what it imports, no child need import again
    for config in map(Path, configs):
        wanted = load_experiment(config)
        took = killed_run(wanted, config.parent / "straight" / config.stem, Path(root), 0, 0.0)
        killed = config.parent / "killed" / config.stem
        for share in (0.8, 0.4, 0.2):  # where something else slowed the first one down, the second is over too soon
            if took and killed_run(wanted, killed, Path(root), int(count), share * took):
                break
            shutil.rmtree(killed)
        else:
            sys.exit(f"{killed}: was always over before {count} kills were made")
