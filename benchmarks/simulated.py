"""A large cluster on this machine: python -m benchmarks.simulated [TRIALS [SAMPLER]]

Eight nodes of Ray, each of which declares 8 GPUs and 8 CPUs, so that 64 trials run at once; they train nothing, but
sleep and report three epochs. TRIALS (1000) of them, suggested by SAMPLER (random). It prints how long until all places
are at work, for how long one is idle between two trials, on average in the second half of them, and one JSON line. It
needs about 16 GB of memory.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.overhead import CONFIG

NODES, GPUS, SLEEP = 8, 8, 10.0
HEAD = "127.0.0.1:6399"
PLACES = NODES * GPUS


def main(trials: str = "1000", sampler: str = "random") -> None:
    from search.on_ray.environment import set_environment

    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    set_environment(private=False)  # before Ray is imported
    with tempfile.TemporaryDirectory(prefix="ds-", dir="/tmp") as folder, _cluster(Path(folder)):
        config = CONFIG.format(trials=trials).replace('"random"', f'"{sampler}"') + "[resources]\ntrials_per_gpu = 1\n"
        (Path(folder) / "simulated.toml").write_text(config)
        _search(Path(folder))
        print(json.dumps(_figures(Path(folder) / "simulated")))


@contextmanager
def _cluster(folder: Path) -> Iterator[None]:
    """Start the nodes, and end them after the body."""
    words = [f"--num-gpus={GPUS}", f"--num-cpus={GPUS}", "--object-store-memory=80000000", "--disable-usage-stats"]
    first = ["--head", f"--port={HEAD.rpartition(':')[2]}", "--include-dashboard=false", f"--temp-dir={folder}/ray"]
    with ExitStack() as nodes:
        for number in range(NODES):
            nodes.enter_context(_node([*words, *(first if number == 0 else [f"--address={HEAD}"])]))
        yield


@contextmanager
def _node(words: list[str]) -> Iterator[None]:
    ray = Path(sys.executable).parent / "ray"
    with subprocess.Popen([ray, "start", "--block", *words], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout
        try:
            for line in node.stdout:
                if "Ray runtime started" in line:
                    break
            yield
        finally:
            node.terminate()


def _search(folder: Path) -> None:
    from search.experiment import load_experiment
    from search.on_ray import tuning
    from search.progress import Progress
    from search.run import run_search

    experiment = load_experiment(folder / "simulated.toml")
    tuning.run_trial = _sleeping(_checkpoint(experiment))  # type: ignore[attr-defined,assignment]
    run_search(experiment, folder / "simulated", Progress(quiet=True), address=HEAD)


def _sleeping(checkpoint: bytes) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Return what takes the place of `search.on_ray.trial.run_trial`; it is pickled whole, and imports no PyTorch."""

    def run_trial(config: dict[str, Any], data: dict[str, Any]) -> None:
        from ray import tune

        about = {"node": "simulated", "device": "cpu", "gpu": [], "num_parameters": 1}
        epochs = config["hyperparameters"]["epochs"]
        figures = {"train_loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.9, "seconds": 1.0, "images_per_second": 1.0}
        for epoch in range(1, epochs + 1):
            time.sleep(SLEEP / epochs)
            metrics = {"epoch": epoch, **figures, "about": about}
            if epoch < epochs:
                tune.report(metrics)
                continue
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "state.bin").write_bytes(checkpoint)
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))

    return run_trial


def _checkpoint(experiment: Any) -> bytes:
    """Return the bytes of a checkpoint of an untrained network of the search."""
    import torch

    from model.checkpoint import FILE, save
    from model.train import start
    from search.space import complete, smallest

    state = start(complete(experiment.space, smallest(experiment.space)), seed=0, number=0, device=torch.device("cpu"))
    state.epoch = state.hyperparameters.epochs
    with tempfile.TemporaryDirectory() as folder:
        save(state, Path(folder))
        return Path(folder, FILE).read_bytes()


def _figures(run_dir: Path) -> dict[str, float]:
    """Return the seconds until all places are at work, and those for which one is idle between two later trials."""
    from analysis.tables import trial_table

    trials = trial_table(run_dir)
    started, ended = (trials[name].sort_values().reset_index(drop=True) for name in ("started", "ended"))
    begun = (ended[PLACES - 1] - started[0]).total_seconds() - SLEEP
    later = started[len(started) // 2 :]
    idle = PLACES * (later.iloc[-1] - later.iloc[0]).total_seconds() / (len(later) - 1) - SLEEP
    print(f"{len(started)} trials: {PLACES} places at work after {begun:.0f} s, then idle for {idle:.2f} s each time")
    return {"trials": len(started), "seconds to begin": begun, "idle": idle}


if __name__ == "__main__":
    main(*sys.argv[1:])
