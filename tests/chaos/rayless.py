"""Whole runs in one process without Ray, killed at random points: python rayless.py DATA KILLS CONFIG ...

A kill comes just before a write of a file, a name, a folder or a transaction. Writes are counted, not timed, so a busy
machine changes nothing. Each CONFIG runs twice: in straight/ and in killed/ beside it.
"""

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from sqlalchemy import event
from sqlalchemy.engine import Engine as Database

from search.experiment import load_experiment
from search.progress import Progress
from search.run import run_search
from search.store.study import CONFIRM, NEWEST, REFIT, SEARCH
from search.trials import Trials
from tests.harness import recorded, records
from tests.without_ray import OnResult, without_ray

STAGES = (SEARCH, CONFIRM, REFIT)
WRITES_PER_EPOCH = 16  # roughly; a kill comes within so many writes after an epoch's report


def run(config: Path, run_dir: Path, data: Path, on_result: OnResult = Trials.on_result) -> None:
    """Start or resume the run of `config`, to its end, in this process."""
    experiment, connect = load_experiment(config), without_ray(on_result)
    run_search(experiment, run_dir, Progress(quiet=True), resume=True, data=data, connect=connect)


def run_to(config: Path, run_dir: Path, data: Path, point: tuple[int, int] | None) -> bool:
    """Start or resume the run of `config`, to its end or to a kill; return whether it was killed.

    `point` is (epochs reported in all sessions, writes after them) at the kill; None for no kill.
    """
    before = recorded(run_dir, *STAGES)
    child = os.fork()
    if child == 0:
        run(config, run_dir, data, _killing(point[0] - before, point[1]) if point else Trials.on_result)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and status:
        sys.exit(f"{run_dir}: ended with {status}")
    return os.WIFSIGNALED(status)


def _killing(epochs: int, writes: int) -> OnResult:
    """Kill this process at a later write: after so many reported epochs and so many writes that follow them."""
    left = {"epochs": epochs, "writes": writes}

    def counted(*report: Any) -> bool:
        left["epochs"] -= 1
        return Trials.on_result(*report)

    def write(*_: Any) -> None:
        if left["epochs"] <= 0:
            left["writes"] -= 1
        if left["writes"] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        opened = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if opened or name in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            write()

    event.listen(Database, "commit", write)
    sys.addaudithook(audit)
    return counted


def main(root: Path, kills: int, configs: list[Path]) -> None:
    torch.set_num_threads(1)
    for config in configs:
        dice, resumed = random.Random(config.stem), 0
        straight, killed = (config.parent / how / config.stem for how in ("straight", "killed"))
        run(config, straight, root)  # here, so that no child has to import what it imports
        total = recorded(straight, *STAGES)
        for epochs in sorted(dice.sample(range(total), kills)):
            if not run_to(config, killed, root, (epochs, dice.randrange(WRITES_PER_EPOCH))):
                sys.exit(f"{killed}: ended before the kill after epoch {epochs} of {total}")
            resumed += any(r.state == "interrupted" and r.attributes.get(NEWEST) for r in records(killed, *STAGES))
        if resumed < kills / 5:
            sys.exit(f"{killed}: only {resumed} of {kills} kills left a checkpoint to go on from")
        run_to(config, killed, root, None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [Path(config) for config in sys.argv[3:]])
