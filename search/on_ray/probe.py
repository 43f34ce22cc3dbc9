"""The probe of a cluster's machines, before trials run there: whether they can save checkpoints, and their versions."""

import platform
import socket
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from model.errors import ConfigError, summary
from search.on_ray.slots import Node
from search.store.checkpoint_store import CheckpointStore

PACKAGES = ("torch", "numpy")  # what the numbers of a training depend on
WAIT = 120  # seconds; a first worker of this job on each machine fetches the code and starts
REMEDY = "(docs/cluster.md)"


@dataclass
class Probes:
    """The probes of a cluster's machines: each that runs trials can save checkpoints, and has our versions."""

    store: CheckpointStore
    sound: set[str] = field(default_factory=set)  # the ids of machines that may be used
    asked: dict[str, Any] = field(default_factory=dict)  # id of a machine -> its answer to come

    def new(self, nodes: list[Node]) -> list[Node]:
        """Return those of `nodes` that are still to be found sound; a machine without CPUs runs no trials."""
        return [node for node in nodes if node.cpus and node.id not in self.sound]

    def wait_for(self, nodes: list[Node]) -> None:
        """Probe those of `nodes` that are new. Raises ConfigError for one that can't be used."""
        new = self.new(nodes)
        self._ask(new)
        try:
            if new:
                ray.wait(list(self.asked.values()), num_returns=len(self.asked), timeout=WAIT)
                self.take(new)
        except RayError as error:
            raise ConfigError(f"a machine of the cluster can't run trials ({summary(error, 300)}); {REMEDY}") from None
        if self.new(nodes):
            raise ConfigError(f"a machine of the cluster did not answer within {WAIT} s; see to it {REMEDY}")

    def take(self, nodes: list[Node]) -> None:
        """Take the answers that are there, and ask machines that are new. Raises ConfigError as `wait_for` does."""
        new = self.new(nodes)
        for node in new:
            answer = self.asked.get(node.id)
            if answer is not None and ray.wait([answer], timeout=0)[0]:
                del self.asked[node.id]  # lost with its machine, it is asked again
                if fault := _fault(ray.get(answer), self.store):
                    raise ConfigError(fault)
                self.sound.add(node.id)
        self._ask(self.new(new))

    def _ask(self, nodes: list[Node]) -> None:
        look = ray.remote(num_cpus=0, max_retries=0)(_look)
        for node in nodes:
            if node.id not in self.asked:
                there = NodeAffinitySchedulingStrategy(node.id, soft=False)
                self.asked[node.id] = look.options(scheduling_strategy=there).remote(self.store, PACKAGES)


def _look(store: CheckpointStore, packages: tuple[str, ...]) -> dict[str, Any]:
    """Return this machine's name, its versions, and whether it sees and may write where the checkpoints lie."""
    found: dict[str, Any] = {"host": socket.gethostname(), "versions": _versions(packages)}
    found["sees"] = store.is_seen
    found["refusal"] = store.refusal() if found["sees"] else None
    return found


def _versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _fault(found: dict[str, Any], store: CheckpointStore) -> str | None:
    """Return what is wrong with a machine, and the remedy; None if nothing is."""
    host = f"host {found['host']}"
    if not found["sees"] and store.elsewhere:
        remedy = "mount it, or see to its keys there"
        return f"search.checkpoints: {host} does not see what lies at {store.elsewhere}; {remedy} {REMEDY}"
    if not found["sees"]:
        return f"--out: {host} does not see {store.run_dir}; share one folder at the same path on all hosts {REMEDY}"
    if found["refusal"]:
        key, place = ("search.checkpoints", store.elsewhere) if store.elsewhere else ("--out", store.run_dir)
        return f"{key}: {host} can't write to {place} ({found['refusal']}); see to its permissions there"
    for name, here in _versions(PACKAGES).items():
        there = found["versions"][name]
        if there != here:
            has = f"has {name} {there}" if there else f"lacks {name}"
            return f"{host} {has}, and this one has {here}; install the same versions on all hosts {REMEDY}"
    return None
