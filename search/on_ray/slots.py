"""Slots: how many trials run at once, how many share a GPU, and which GPU each gets."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.util import remove_placement_group

from model.errors import ConfigError
from model.machine import usable_cpus, usable_gpus, usable_memory
from search.experiment import Experiment
from search.on_ray import ray_internals
from search.trials.machine_faults import MachineFault

# What a worker holds with PyTorch, the images and a network of the recipe's size: up to 1.1 GB, measured.
WORKER_BYTES = 1_200_000_000
MOST_PER_GPU = 8  # more trials on one GPU would only wait for each other
NO_LIMIT = 2**62


@dataclass(frozen=True)
class Node:
    """One machine of the cluster, with its Ray id and the CPUs, GPUs and bytes of memory that trials may use."""

    id: str
    cpus: int
    gpus: int
    memory: int = NO_LIMIT
    host: str = ""

    def trials(self, cpus_per_trial: int) -> int:
        """Return how many trials its CPUs and its memory allow at once; one is tried even where memory is short."""
        return min(self.cpus // cpus_per_trial, max(1, self.memory // WORKER_BYTES))


@dataclass(frozen=True)
class Slots:
    """The numbers of trials at once, of CPUs per trial and of slots per GPU (0 without GPUs).

    `spare` holds (node id, number of its slots that stay empty), so that trials are spread evenly over the GPUs.
    """

    concurrent: int
    cpus: int
    per_gpu: int = 0
    spare: tuple[tuple[str, int], ...] = ()

    @property
    def share(self) -> tuple[Any, ...]:
        """What each trial gets of a machine, and what stays empty: workers can't change it."""
        return self.cpus, self.per_gpu, self.spare

    @property
    def gpu_fraction(self) -> float:
        """The share of a GPU for one trial, in Ray's precision of 1/10000, rounded down so that all shares fit."""
        return math.floor(10_000 / self.per_gpu) / 10_000 if self.per_gpu else 0.0


def cluster_nodes() -> list[Node]:
    """Return the living machines of the connected cluster.

    Memory is what a machine declares; on this process's own all that it may use, not what was free as Ray started.
    """
    here = ray.get_runtime_context().get_node_id()
    nodes = []
    for node in ray.nodes():
        if node["Alive"]:
            declared = node["Resources"]
            memory = usable_memory() if node["NodeID"] == here else int(declared.get("memory", NO_LIMIT))
            cpus, gpus = int(declared.get("CPU", 0)), int(declared.get("GPU", 0))
            nodes.append(Node(node["NodeID"], cpus, gpus, memory, node["NodeManagerHostname"]))
    return nodes


def without(nodes: list[Node], left_out: list[MachineFault]) -> list[Node]:
    """Return `nodes` without the machines, and the GPUs of machines, that are left out."""
    places = {fault.place for fault in left_out}
    kept = []
    for node in nodes:
        if node.id not in places:
            faulty = sum(place.startswith(f"{node.id}/") for place in places)
            kept.append(replace(node, gpus=max(node.gpus - faulty, 0)))
    return kept


def unheld(nodes: list[Node], held: Mapping[str, int], cpus_per_trial: int) -> list[Node]:
    """Return `nodes` without the CPUs of workers that rest there; `held` is the number of these by machine."""
    return [replace(node, cpus=max(node.cpus - held.get(node.id, 0) * cpus_per_trial, 0)) for node in nodes]


def plan(nodes: list[Node], *, cpus_per_trial: int, per_gpu: int, trials: int) -> Slots:
    """Return the slots of `trials` trials on `nodes`, at most `per_gpu` on a GPU. Raises ConfigError if none fits.

    Where there are GPUs only their nodes are used. Trials that can't fill all slots are spread: no GPU gets two more
    than another. Ray itself would fill GPU 0 first, so the slots left over are reserved (`hold_spare`).
    """
    with_gpu = [node for node in nodes if node.gpus and node.cpus >= cpus_per_trial]
    if not with_gpu:
        return _plan_cpus(nodes, cpus_per_trial, trials)

    concurrent = max(1, min(_room(with_gpu, per_gpu, cpus_per_trial), trials))
    if sum(node.gpus for node in with_gpu) == 1:  # nothing to spread over
        return Slots(concurrent, cpus_per_trial, per_gpu)
    k = next(k for k in range(1, per_gpu + 1) if _room(with_gpu, k, cpus_per_trial) >= concurrent)
    taken = {node.id: 0 for node in with_gpu}
    for _ in range(concurrent):
        free = [node for node in with_gpu if taken[node.id] < _room([node], k, cpus_per_trial)]
        taken[min(free, key=lambda node: taken[node.id] / node.gpus).id] += 1
    spare = tuple((node.id, node.gpus * k - taken[node.id]) for node in with_gpu)
    return Slots(concurrent, cpus_per_trial, k, tuple((node, count) for node, count in spare if count))


def concurrent_here(experiment: Experiment) -> int:
    """Return how many trials this machine will run at once, before Ray is there to ask, and at most."""
    here, wanted = Node("here", usable_cpus(), usable_gpus(), usable_memory()), experiment.resources.trials_per_gpu
    per_gpu = MOST_PER_GPU if wanted == "auto" else wanted
    cpus = 1 if experiment.resources.cpus_per_trial == "auto" else experiment.resources.cpus_per_trial
    return plan([here], cpus_per_trial=cpus, per_gpu=per_gpu, trials=experiment.search.trials).concurrent


def room(slots: Slots, nodes: list[Node]) -> int:
    """Return how many trials with these slots `nodes` have room for."""
    if not slots.per_gpu:
        return sum(node.trials(slots.cpus) for node in nodes)
    return _room(nodes, slots.per_gpu, slots.cpus) - sum(count for _, count in slots.spare)


def lacking(slots: Slots, left: list[Node]) -> str | None:
    """Return what no machine that is `left` has of that which a trial with these slots needs; None if one has it."""
    if any(node.cpus >= slots.cpus and (node.gpus > 0 or not slots.per_gpu) for node in left):
        return None
    needs = f"{slots.cpus} CPUs" + (" and a GPU" if slots.per_gpu else "")
    return f"of {len(left)} machines that are left none has {needs}, as its trials need"


@contextmanager
def hold_spare(slots: Slots, nodes: list[Node]) -> Iterator[Callable[[], None]]:
    """Reserve the slots that stay empty, spread over the GPUs of their nodes, while the body runs.

    Ray gives a share to the fullest GPU that has room. So for each GPU its empty slots are reserved first, then the
    rest of it is filled, so that the next reservation falls on another GPU; at last the fillers are freed. Yields a
    function that frees all slots, for when a machine is lost: its trials need them elsewhere. Raises ConfigError if
    others use the GPUs.
    """
    gpus = {node.id: node.gpus for node in nodes}
    held: list[Any] = []
    fillers: list[Any] = []
    try:
        for node, spare in slots.spare:
            for gpu in range(gpus[node]):
                empty = spare // gpus[node] + (gpu < spare % gpus[node])
                if empty:
                    held.append(_reserve(node, empty * slots.gpu_fraction))
                if empty < slots.per_gpu:
                    fillers.append(_reserve(node, 1 - empty * slots.gpu_fraction))
        _free(fillers)
        yield lambda: _free(held)
    finally:
        _free(held)
        _free(fillers)


def _room(nodes: list[Node], per_gpu: int, cpus_per_trial: int) -> int:
    """Return how many trials fit on `nodes` with so many on each GPU."""
    return sum(min(node.gpus * per_gpu, node.trials(cpus_per_trial)) for node in nodes)


def _plan_cpus(nodes: list[Node], cpus_per_trial: int, trials: int) -> Slots:
    """Return the slots of `trials` trials that use no GPU. Raises ConfigError if none fits, or if there is a GPU."""
    key = f"resources.cpus_per_trial = {cpus_per_trial}"
    if any(node.gpus for node in nodes):
        raise ConfigError(f"{key}: no machine with a GPU has as many; lower it")
    slots = sum(node.trials(cpus_per_trial) for node in nodes)
    if not slots:
        most = max((node.cpus for node in nodes), default=0)
        raise ConfigError(f"{key}: no machine has more than {most}; lower it")
    return Slots(min(slots, max(trials, 1)), cpus_per_trial)


def _reserve(node: str, share: float) -> Any:
    """Return the placement group that holds a share of one GPU of `node`. Raises ConfigError if it is taken."""
    group = ray_internals.reserve(node, share)
    if not group.wait(30):
        remove_placement_group(group)
        raise ConfigError("GPUs of the cluster are taken by others; wait, or set resources.trials_per_gpu = 1")
    return group


def _free(groups: list[Any]) -> None:
    """Free the placement groups in a list, and empty it."""
    while groups:
        remove_placement_group(groups[-1])
        groups.pop()  # only once it is freed: a cluster that was too busy is asked again
