"""What all stages share: the run, the engine that runs trials, and how a stage is run to its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from model.data import Dataset
from model.interruptions import interruptible
from model.precision import Precision
from model.seeds import derive_seed
from search.experiment import Experiment
from search.progress import Progress
from search.progress.status import Status, status_of
from search.space import guesses
from search.store import location
from search.store.checkpoint_store import CheckpointStore
from search.store.resolved import load_resolved
from search.store.stage import Stage
from search.store.storage import RunStorage
from search.store.study import CONFIRM, PICKED, REFIT, SEARCH, STUDIES, StoredStudy, open_study
from search.strategy.pace import training_pace
from search.strategy.promotion import Promotion
from search.strategy.pruner import make_pruner
from search.strategy.sampler import SeededSampler, startup_of
from search.trials import INTERRUPTED, MachineFaults, Trials

SEEDS = {SEARCH: 0, CONFIRM: 1, REFIT: 2, PICKED: 1}  # a picked trial has the fresh seeds of the others


class StoppedError(Exception):
    """Raised by a stage that ended before its time; the text says why. What is unfinished waits to be resumed."""


class Engine(Protocol):
    """What runs trials: Ray Tune (on_ray/engine.py); tests without Ray have a plain loop."""

    @property
    def machines(self) -> int: ...
    @property
    def cpus(self) -> int: ...
    @property
    def gpus(self) -> int: ...
    @property
    def per_gpu(self) -> int: ...
    @property
    def most_cpus(self) -> int: ...  # of the largest machine
    @property
    def gone(self) -> threading.Event: ...
    @property
    def faults(self) -> MachineFaults: ...

    def concurrent(self, trials: int, cpus_per_trial: int) -> int:
        """Return how many of so many trials run at once. Raises ConfigError where none fits on any machine."""

    def run(self, trials: Trials) -> None:
        """Run `trials` until they are finished or stopping."""


@dataclass(frozen=True)
class Run:
    """What all stages of one command share."""

    run_dir: Path
    experiment: Experiment
    dataset: Dataset
    digest: str  # SHA-256 of the images
    storage: RunStorage
    progress: Progress

    def study(self, name: str) -> StoredStudy:
        """Return one of the run's studies, by its name in STUDIES."""
        if name != SEARCH:
            return open_study(self.storage, name)
        search = self.experiment.search
        space, startup = self.experiment.space, startup_of(search.trials)
        pace = training_pace(space.fixed)
        sampler = SeededSampler(search.sampler, search.seed, space.searched, startup, pace, guesses(space), space=space)
        pruner = make_pruner(search.pruner, search.grace_epochs, search.reduction_factor, pace)
        return open_study(self.storage, SEARCH, sampler, pruner)

    @cached_property
    def checkpoints(self) -> CheckpointStore:
        """Return where the run's checkpoints lie."""
        return location.checkpoint_store(self.run_dir)

    @cached_property
    def precision(self) -> Precision:
        """Return what the run's trials compute in, as it was chosen when the run began; earlier runs had no choice."""
        chosen: Precision = load_resolved(self.run_dir).automatic.get("precision", "float32")
        return chosen

    @property
    def cpus_per_trial(self) -> int:
        """Return the CPUs, and so the threads, of a trial; 1 as long as they are still to be chosen."""
        wanted = self.experiment.resources.cpus_per_trial
        return int(load_resolved(self.run_dir).automatic.get("cpus_per_trial", 1)) if wanted == "auto" else wanted

    @property
    def promotion(self) -> Promotion | None:
        """Return how the trials of the search are promoted; None where the pruner is another one."""
        search, finalists = self.experiment.search, max(self.experiment.confirm.top, 1)
        if search.pruner != "promote":
            return None
        pace = training_pace(self.experiment.space.fixed)
        return Promotion(search.grace_epochs, search.reduction_factor, finalists, pace)

    def stage(self, name: str, **limits: Any) -> Stage:
        resources = self.experiment.resources
        default: dict[str, Any] = {"trial_timeout": resources.trial_timeout, "cpus": self.cpus_per_trial}
        default |= {"max_consecutive_failures": resources.max_consecutive_failures, "precision": self.precision}
        seed = derive_seed(self.experiment.search.seed, SEEDS[name])
        return Stage(self.checkpoints, self.study(name), self.experiment.space, seed, **{**default, **limits})


def run_stage(run: Run, engine: Engine, stage: Stage) -> Trials:
    """Run `stage` until it is done or its time is up. Raises StoppedError; what is unfinished then waits."""
    trials = Trials(stage, run.progress, engine.gone, engine.faults)

    def stop() -> None:
        trials.stop(INTERRUPTED)
        run.storage.give_up = True
        run.progress.warn("stopping: no new trials; unfinished ones keep their last checkpoint")

    run.progress.begin(_looking(run))
    try:
        with interruptible(stop), trials.tidily():
            engine.run(trials)
    except Exception:
        if trials.failure is None and trials.stopped in (None, INTERRUPTED):
            raise  # else it is what the engine trips over on its way out, when a disk is full
    finally:
        run.progress.end()
        if not run.storage.broken:  # else the resumption does it
            with trials.tidily():
                stage.study.requeue_interrupted()
    if trials.failure is not None:
        raise trials.failure
    if engine.gone.is_set():
        raise StoppedError("Ray is gone")
    if trials.stopped:
        raise StoppedError(trials.stopped)
    return trials


def _looking(run: Run) -> Callable[[], Status]:
    """Return a function that returns the status of the run now, from what the driver has in memory."""
    name, experiment = run.run_dir.absolute().name, load_resolved(run.run_dir)
    studies = {stage: run.study(stage) for stage in STUDIES}

    def look() -> Status:
        return status_of(name, experiment, {stage: study.trials() for stage, study in studies.items()}, driven=True)

    return look
