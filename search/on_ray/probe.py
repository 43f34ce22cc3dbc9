"""The probe of machines before trials run there: do they save checkpoints, have our versions, a torch that works?"""

import os
import platform
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from model.errors import ConfigError, summary
from model.interruptions import PERIOD, check
from search.on_ray import gpus
from search.on_ray.held_gpus import hold
from search.on_ray.slots import Node
from search.store.checkpoint_store import CheckpointStore
from search.trials.machine_faults import MachineFault, MachineFaults

PACKAGES = ("torch", "numpy")  # what the numbers of a training depend on
WAIT = 180  # seconds; a first worker of this job on each machine fetches the code, starts, and waits for its GPUs
REMEDY = "(docs/cluster.md)"


@dataclass
class Probes:
    """The probes of machines: each that runs trials can save checkpoints, and has our versions.

    A machine whose torch does not work, and a GPU that torch can't use, are left out by way of `faults`, and named by
    `warn`.
    """

    store: CheckpointStore
    faults: MachineFaults
    warn: Callable[[str], None]
    sound: set[str] = field(default_factory=set)  # the ids of machines that may be used
    asked: dict[str, Any] = field(default_factory=dict)  # id of a machine -> its answer to come
    held: list[Any] = field(default_factory=list)  # actors on GPUs that are left out
    since: dict[str, float] = field(default_factory=dict)  # id of a machine -> when it was asked

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Ray pickles its callbacks into snapshots, which are never read back."""
        return {}

    def new(self, nodes: list[Node]) -> list[Node]:
        """Return those of `nodes` that are still to be found sound or not; a machine without CPUs runs no trials."""
        known = self.sound | {fault.place for fault in self.faults.left_out}
        return [node for node in nodes if node.cpus and node.id not in known]

    def wait_for(self, nodes: list[Node]) -> None:
        """Probe those of `nodes` that are new.

        Raises:
            ConfigError: A machine can't be used, by its set-up, or none of them can.
        """
        new = self.new(nodes)
        self._ask(new)
        while self.new(nodes):
            check()
            ray.wait(list(self.asked.values()), timeout=PERIOD)
            self.take(nodes)
        if new and not any(node.id in self.sound for node in nodes):
            faults = ", ".join(map(str, self.faults.left_out))
            raise ConfigError(f"no machine can run trials: {faults}; correct that {REMEDY}")

    def take(self, nodes: list[Node]) -> None:
        """Take the answers that are there, and ask machines that are new. Raises ConfigError as `wait_for` does."""
        new = self.new(nodes)
        for node in new:
            answer = self.asked.get(node.id)
            if answer is not None and ray.wait([answer], timeout=0)[0]:
                del self.asked[node.id]
                self._judge(node, answer)
            elif answer is not None and time.monotonic() - self.since[node.id] > WAIT:
                self._leave_out(node, f"did not answer within {WAIT} s")
        self._ask(self.new(new))

    def _judge(self, node: Node, answer: Any) -> None:
        """Find a machine sound, leave it or its GPUs out, or raise ConfigError, by its answer."""
        try:
            found = ray.get(answer)
        except RayError as error:
            self._leave_out(node, f"can't run a worker ({summary(error, 300)})")
            return
        if fault := _fault(found, self.store):
            raise ConfigError(fault)
        if found["torch"]:
            self._leave_out(node, found["torch"])
            return
        for gpu, reason in found["gpus"].items():
            of_gpu = MachineFault(f"{node.id}/{gpu}", f"GPU {gpu} of host {found['host']}", reason)
            self.warn(self.faults.leave_out(of_gpu))
        if found["gpus"]:
            self.held += hold(node.id, node.gpus, list(found["gpus"]))
        self.sound.add(node.id)

    def _leave_out(self, node: Node, reason: str) -> None:
        self.warn(self.faults.leave_out(MachineFault(node.id, f"host {node.host}", reason)))

    def _ask(self, nodes: list[Node]) -> None:
        for node in nodes:
            if node.id not in self.asked:
                # After one with GPUs the worker ends, as CUDA takes half a gigabyte of each GPU.
                look = ray.remote(num_cpus=0, max_retries=0, max_calls=1 if node.gpus else 0)(_look)
                there = NodeAffinitySchedulingStrategy(node.id, soft=False)
                on_node = look.options(scheduling_strategy=there)
                self.since[node.id] = time.monotonic()
                self.asked[node.id] = on_node.remote(self.store, PACKAGES, node.gpus)


def _look(store: CheckpointStore, packages: tuple[str, ...], num_gpus: int) -> dict[str, Any]:
    """Return what a machine says of itself.

    Its name and versions, whether it sees and may write where the checkpoints lie, what is wrong with its torch, and
    which of its GPUs torch can't use.
    """
    found: dict[str, Any] = {"host": socket.gethostname(), "versions": _versions(packages)}
    found["sees"] = store.is_seen
    found["refusal"] = store.refusal() if found["sees"] else None
    found["torch"] = _fault_of_torch()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    ids = visible.split(",") if visible else list(map(str, range(num_gpus)))
    found["gpus"] = {} if found["torch"] else gpus.faults(ids[:num_gpus])
    return found


def _fault_of_torch() -> str | None:
    """Return why torch does not work on this machine; None if it does."""
    try:
        import torch

        torch.ones(2).sum().item()
    except Exception as error:  # whatever a broken installation raises
        return f"can't use torch ({type(error).__name__}: {summary(error, 300)})"
    return None


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
