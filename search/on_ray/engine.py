"""RayEngine: runs the trials of one stage through Ray Tune, from the slots on the machines to `Tuner.fit`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune

from model.data import Dataset
from search.experiment import Experiment
from search.on_ray import ray_internals
from search.on_ray.callback import StudyCallback
from search.on_ray.cluster import OnGone, connected
from search.on_ray.measure import measured_per_gpu
from search.on_ray.private import PrivateRay
from search.on_ray.scheduler import StudyScheduler, StudyStopper
from search.on_ray.searcher import StudySearcher
from search.on_ray.slots import Node, Slots, cluster_nodes, hold_spare, plan
from search.on_ray.trial import run_trial, to_arrays
from search.on_ray.watchdog import lifelines
from search.space import largest
from search.store.stage import Stage
from search.trials import Trials


@dataclass(frozen=True)
class RayEngine:
    """The machines of the connected Ray, and how many trials share one of their GPUs."""

    per_gpu: int
    gone: threading.Event = field(default_factory=threading.Event)  # set when Ray itself is gone

    @property
    def nodes(self) -> list[Node]:
        """The machines that are there now: one may be lost, or come, between two stages."""
        return cluster_nodes()

    @property
    def machines(self) -> int:
        return len(self.nodes)

    @property
    def cpus(self) -> int:
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> int:
        return sum(node.gpus for node in self.nodes)

    @property
    def most_cpus(self) -> int:
        return max(node.cpus for node in self.nodes)

    def concurrent(self, trials: int, cpus_per_trial: int) -> int:
        """Return how many of `trials` trials run at once. Raises ConfigError if no machine has room for one."""
        return plan(self.nodes, cpus_per_trial=cpus_per_trial, per_gpu=self.per_gpu, trials=trials).concurrent

    def run(self, trials: Trials, dataset: Dataset, token: str) -> None:
        """Run `trials` until they are finished or stopping. `token` identifies the images that workers keep."""
        stage, nodes = trials.stage, self.nodes
        to_do = max(stage.audit().to_do, 1)
        slots = plan(nodes, cpus_per_trial=stage.cpus, per_gpu=self.per_gpu, trials=to_do)
        with hold_spare(slots, nodes) as free_spare:
            callback = StudyCallback(trials, slots, nodes, free_spare)
            _tuner(trials, {**to_arrays(dataset), "token": token}, slots, callback).fit()


@contextmanager
def ray_engine(
    experiment: Experiment,
    dataset: Dataset,
    digest: str,
    address: str | None,
    on_gone: OnGone,
    begun: PrivateRay | None = None,
) -> Iterator[RayEngine]:
    """Yield the engine on a private Ray (`begun`, where it is), or on the cluster at `address`; measure trials per GPU.

    `digest` identifies the images. If Ray dies, `on_gone` is called with what is missing, and this process ends.
    Raises ConfigError.
    """
    with connected(address, on_gone, begun) as gone:
        nodes, per_gpu = cluster_nodes(), 1
        if any(node.gpus for node in nodes):
            wanted = experiment.resources.trials_per_gpu
            images = {**to_arrays(dataset), "token": digest}
            per_gpu = measured_per_gpu(largest(experiment.space), images, nodes) if wanted == "auto" else wanted
        yield RayEngine(per_gpu, gone)


def _tuner(trials: Trials, images: dict[str, Any], slots: Slots, callback: StudyCallback) -> tune.Tuner:
    stage = trials.stage
    trainable = tune.with_resources(
        tune.with_parameters(ray_internals.ending_stuck_workers(run_trial), data=images),
        {"cpu": slots.cpus, "gpu": slots.gpu_fraction},
    )
    storage = stage.run_dir.absolute() / "ray"
    storage.mkdir(exist_ok=True)
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(trials),
            scheduler=StudyScheduler(trials, lifelines()),
            num_samples=-1,
            max_concurrent_trials=slots.concurrent,
            reuse_actors=True,
            # The id makes the name unique: another attempt must never overwrite a checkpoint.
            trial_dirname_creator=lambda trial: f"{trial.config['number']:05d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=_session_name(storage, stage),
            storage_path=str(storage),
            stop=StudyStopper(trials),
            callbacks=[callback],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )


def _session_name(storage: Path, stage: Stage) -> str:
    """Return a name that no earlier session has; Ray numbers checkpoints from 0, and would overwrite earlier ones."""
    return f"{sum(1 for _ in storage.iterdir()):04d}-{stage.study.name}"
