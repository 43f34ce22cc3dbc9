"""One stage through Ray Tune: places on the cluster, signals, and the call that runs until the stage ends."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.data import Dataset
from search.ledger import INTERRUPTED, Ledger
from search.on_ray.bridge import Asker, StopWhenAsked, Teller, Watcher
from search.on_ray.slots import Slots, cluster_nodes, hold_spare, plan
from search.on_ray.trial import run_trial, to_arrays
from search.progress import Progress
from search.stage import Stage
from search.store import study


class StoppedError(Exception):
    """A stage that ended before its time; the text says why. What is unfinished waits to be resumed."""


@dataclass(frozen=True)
class Engine:
    """What all stages of a run share: its folder, its images as workers get them, and trials per GPU."""

    run_dir: Path
    data: dict[str, Any]
    per_gpu: int
    progress: Progress
    gone: threading.Event  # set when Ray itself is gone


def worker_data(dataset: Dataset, token: str) -> dict[str, Any]:
    """The arrays for `run_trial`; `token` is the name under which a worker keeps them on its device."""
    return {**to_arrays(dataset), "token": token}


def run_stage(engine: Engine, stage: Stage) -> Ledger:
    """Run `stage` until it is done or its time is up. Raises StoppedError; what is unfinished then waits."""
    nodes = cluster_nodes()
    found = study.audit(stage.study, stage.trials)
    slots = plan(nodes, cpus_per_trial=stage.cpus, per_gpu=engine.per_gpu, trials=max(found.to_do, 1))
    ledger = Ledger(stage, engine.progress, engine.gone)
    engine.progress.begin(total=found.kept + found.to_do, done=found.kept)
    try:
        with hold_spare(slots, nodes) as free_spare, _interruptible(ledger), ledger.tidily():
            _tuner(engine, stage, slots, ledger, Watcher(ledger, slots, nodes, free_spare)).fit()
    except Exception:
        if ledger.stopped in (None, INTERRUPTED):
            raise  # else it is what Ray trips over on its way out, when a disk is full
    finally:
        engine.progress.end()
        with ledger.tidily():  # if this can't be written, the resumption does it
            study.requeue_interrupted(stage.study)
    if engine.gone.is_set():
        raise StoppedError("Ray is gone")
    if ledger.stopped:
        raise StoppedError(ledger.stopped)
    return ledger


def _tuner(engine: Engine, stage: Stage, slots: Slots, ledger: Ledger, watcher: Watcher) -> Any:
    from ray import tune

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    storage = engine.run_dir.absolute() / "ray"
    storage.mkdir(exist_ok=True)
    trainable = tune.with_resources(
        tune.with_parameters(run_trial, data=engine.data), {"cpu": slots.cpus, "gpu": slots.gpu_fraction}
    )
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=Asker(ledger),
            scheduler=Teller(ledger),
            num_samples=-1,
            max_concurrent_trials=slots.concurrent,
            reuse_actors=True,
            # The id makes it unique: another attempt must never write where a saved state lies.
            trial_dirname_creator=lambda trial: f"{trial.config['number']:05d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"{sum(1 for _ in storage.iterdir()):04d}-{stage.name}",
            storage_path=str(storage),
            stop=StopWhenAsked(ledger),
            callbacks=[watcher],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )


@contextmanager
def _interruptible(ledger: Ledger) -> Iterator[None]:
    """Ctrl-C (or SIGTERM) once ends the stage tidily; a second time ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(_number: int, _frame: Any) -> None:
        if ledger.stopped == INTERRUPTED:
            raise KeyboardInterrupt
        ledger.stopped = INTERRUPTED
        ledger.progress.warn("stopping: no new trials; unfinished ones keep their last saved state")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
