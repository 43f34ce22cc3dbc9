"""Whole runs in one process without Ray, killed at random points: python rayless.py DATA KILLS CONFIG ...

The run, the ledger, the study, the export and the worker's own function are the real ones; only Ray's part, carrying
reports from worker to ledger, is done here by a plain call. A kill falls just before a write: of a file, a name, a
folder or a transaction, counted and not timed, so that it falls there on a busy machine too. Each CONFIG runs twice,
beside it below straight/ and killed/.
"""

import os
import random
import shutil
import signal
import sys
import threading
import uuid
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from ray import tune
from sqlalchemy import event
from sqlalchemy.engine import Engine as Database

from model.data import load_dataset
from search import confirm, run
from search.experiment import Experiment, load_experiment
from search.ledger import Ledger
from search.on_ray import trial
from search.on_ray.slots import Node
from search.on_ray.tuner import Engine
from search.progress import Progress
from search.run import run_search
from search.stage import Stage
from search.store.checkpoints import NEWEST
from search.store.study import CONFIRM, REFIT, SEARCH
from tests.harness import recorded, records

STAGES = (SEARCH, CONFIRM, REFIT)
WRITES_PER_EPOCH = 25  # about; a kill falls within as many after an epoch's report


class EndedError(BaseException):
    """The ledger wants no more of this trial; not an Exception, which the worker's function would report."""


def run_stage(engine: Engine, stage: Stage) -> Ledger:
    """In place of search.on_ray.tuner's: one trial after the other, in this process."""
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


def run_to(experiment: Experiment, run_dir: Path, data: Path, point: tuple[int, int] | None) -> bool:
    """Run it, or go on with it, to its end or to a kill: that write after so many epochs. Whether it was killed."""
    before = recorded(run_dir, *STAGES)
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        if point:
            _kill_at(point[0] - before, point[1])
        run_search(experiment, run_dir, Progress(quiet=True), resume=True, data=data)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and status:
        sys.exit(f"{run_dir}: ended with {status}")
    return os.WIFSIGNALED(status)


def _kill_at(epochs: int, writes: int) -> None:
    """Kill this process just before a write: the one after so many that follow so many reports of an epoch."""
    left = {"epochs": epochs, "writes": writes}
    on_result = Ledger.on_result

    def counted(*report: Any) -> bool:
        left["epochs"] -= 1
        return on_result(*report)

    def write(*_: Any) -> None:
        if left["epochs"] <= 0:
            left["writes"] -= 1
        if left["writes"] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        opened = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if opened or name in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            write()

    Ledger.on_result = counted  # type: ignore[method-assign]
    event.listen(Database, "commit", write)
    sys.addaudithook(audit)


def main(root: Path, kills: int, configs: list[Path]) -> None:
    for module in (run, confirm):
        module.run_stage = run_stage
        module.cluster_nodes = lambda: [Node("here", 1, 0)]
    run.connected = lambda *_: nullcontext(threading.Event())
    trial._device = lambda: (torch.device("cpu"), [])
    trial.MAY_BE_LOST = 0.0  # a state after every epoch: most kills are then followed by going on from one
    load_dataset("mnist", root, validation_images=100)  # what it imports, no child need import again
    for config in configs:
        wanted, dice, resumed = load_experiment(config), random.Random(config.stem), 0
        straight, killed = (config.parent / how / config.stem for how in ("straight", "killed"))
        run_to(wanted, straight, root, None)
        total = recorded(straight, *STAGES)
        for epochs in sorted(dice.sample(range(total), kills)):
            if not run_to(wanted, killed, root, (epochs, dice.randrange(WRITES_PER_EPOCH))):
                sys.exit(f"{killed}: ended before the kill after epoch {epochs} of {total}")
            resumed += any(r.state == "interrupted" and r.attributes.get(NEWEST) for r in records(killed, *STAGES))
        if resumed < kills / 5:
            sys.exit(f"{killed}: only {resumed} of {kills} kills left a state to go on from")
        run_to(wanted, killed, root, None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [Path(config) for config in sys.argv[3:]])
