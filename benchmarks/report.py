"""Tables and report of many trials: python -m benchmarks.report [TRIALS]

A made-up search of TRIALS (10000) trials in the space of configs/mnist.toml, each of them complete after 10 epochs. It
prints the seconds of CPU time of each table and the seconds of the report, in processes of their own, the report's
size, and one JSON line.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.samplers import RandomSampler

from benchmarks.scale import EPOCHS, SPACE, made_up_trial
from search.experiment import load_experiment
from search.store import location
from search.store.resolved import resolved
from search.store.study import SEARCH, open_study
from search.strategy.given import quiet_optuna

SIDE_BY_SIDE = 64  # trials
TABLE = """
import sys, time
from analysis import tables
began = time.process_time()
getattr(tables, sys.argv[1])(sys.argv[2])
print(time.process_time() - began)
"""


def main(trials: str = "10000") -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "many"
        _write(run_dir, int(trials))
        found = {
            "trial table": float(_said("-c", TABLE, "trial_table", str(run_dir))),
            "epoch table": float(_said("-c", TABLE, "epoch_table", str(run_dir))),
            "report": _seconds("-m", "analysis", str(run_dir)),
            "MB": sum(file.stat().st_size for file in (run_dir / "report").glob("*.html")) / 1e6,
        }
    for what, value in found.items():
        print(f"{what}: {value:.1f}")
    print(json.dumps(found))


def _write(run_dir: Path, trials: int) -> None:
    """Write a run's folder as a search leaves it, but for checkpoints and an export."""
    run_dir.mkdir()
    experiment = load_experiment(Path(__file__).parents[1] / "configs" / "mnist.toml")
    (run_dir / "experiment.toml").write_text(resolved(experiment, {"dataset": "mnist", "validation_images": 10_000}))
    (run_dir / "environment.json").write_text("{}")
    with quiet_optuna():
        study, random = open_study(location.open_storage(run_dir), SEARCH), np.random.default_rng(0)
        points = optuna.create_study(sampler=RandomSampler(seed=0))
        with study.event():
            for number in range(trials):
                began = number // SIDE_BY_SIDE * EPOCHS
                study.study.add_trial(made_up_trial(points.ask(SPACE.searched).params, EPOCHS, random, began))
        study.storage.close()


def _said(*words: str) -> str:
    return subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def _seconds(*words: str) -> float:
    began = time.monotonic()
    _said(*words)
    return time.monotonic() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
