"""RayEngine: runs the trials of a run's stages on the machines of the connected Ray."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.data import Dataset
from model.errors import ConfigError
from search.experiment import Experiment
from search.on_ray.cluster import OnGone, connected
from search.on_ray.measure import measured_per_gpu
from search.on_ray.private import PrivateRay
from search.on_ray.probe import Probes
from search.on_ray.slots import Node, cluster_nodes, lacking, plan, without
from search.on_ray.trial import to_arrays
from search.on_ray.tuning import Tuning
from search.space import largest
from search.store.location import checkpoint_store
from search.trials import MachineFaults, Trials


@dataclass
class RayEngine:
    """The machines of the connected Ray, and how many trials share one of their GPUs; `images` are for the workers."""

    images: dict[str, Any]
    per_gpu: int
    probes: Probes | None = None  # on a cluster
    gone: threading.Event = field(default_factory=threading.Event)  # set when Ray itself is gone
    faults: MachineFaults = field(default_factory=MachineFaults)
    tuning: Tuning | None = None

    @property
    def nodes(self) -> list[Node]:
        """The sound machines that are there now: one may be lost, or come, between two stages."""
        nodes = cluster_nodes()
        if self.probes:
            self.probes.wait_for(nodes)
        return without(nodes, self.faults.left_out)

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
        return max((node.cpus for node in self.nodes), default=0)

    def concurrent(self, trials: int, cpus_per_trial: int) -> int:
        """Return how many of `trials` trials run at once. Raises ConfigError if no machine has room for one."""
        return plan(self.nodes, cpus_per_trial=cpus_per_trial, per_gpu=self.per_gpu, trials=trials).concurrent

    def run(self, trials: Trials) -> None:
        """Run `trials` until they are finished or stopping, in the workers of the stage before where these serve."""
        stage, to_do = trials.stage, max(trials.stage.audit().to_do, 1)
        try:
            nodes = self.nodes
        except ConfigError as error:  # a machine that came between two stages can't be used
            trials.stop(str(error))
            return
        if not nodes:
            trials.stop("no machine is left that can run trials; correct what the warnings say")
            return
        if self.tuning and (reason := lacking(self.tuning.slots, nodes)):
            trials.stop(reason)
            return
        slots = plan(nodes, cpus_per_trial=stage.cpus, per_gpu=self.per_gpu, trials=to_do)
        if self.tuning is None or not self.tuning.serves(slots):
            self.end()
            self.faults.resting.clear()  # those workers have ended
            self.tuning = Tuning(stage.checkpoints, self.images, slots, nodes, self.probes)
        self.tuning.run(trials, slots, nodes)

    def end(self) -> None:
        """End the workers."""
        if self.tuning:
            self.tuning.end()


@contextmanager
def ray_engine(
    run_dir: Path,
    experiment: Experiment,
    dataset: Dataset,
    digest: str,
    address: str | None,
    on_gone: OnGone,
    begun: PrivateRay | None,
    warn: Callable[[str], None],
) -> Iterator[RayEngine]:
    """Yield the engine on a private Ray (`begun`, where it is), or on the cluster at `address`; measure trials per GPU.

    `digest` identifies the images. If Ray dies, `on_gone` is called with what is missing, and this process ends.
    Raises ConfigError.
    """
    with connected(address, on_gone, begun, warn) as gone:
        faults, probes = MachineFaults(), None
        if address or any(node.gpus for node in cluster_nodes()):
            probes = Probes(checkpoint_store(run_dir.absolute()), faults, warn)
        engine = RayEngine({**to_arrays(dataset), "token": digest}, 1, probes, gone, faults)
        if any(node.gpus for node in engine.nodes):
            wanted = experiment.resources.trials_per_gpu
            if wanted == "auto":
                wanted = measured_per_gpu(largest(experiment.space), engine.images, engine.nodes, warn)
            engine.per_gpu = wanted
        try:
            yield engine
        finally:
            engine.end()
