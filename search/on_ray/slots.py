"""How many trials share a GPU, and which GPU each gets."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.util import remove_placement_group

from model.errors import ConfigError
from search.on_ray import ray_internals


@dataclass(frozen=True)
class Node:
    """One machine of the cluster."""

    id: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class Slots:
    """How many trials run at once, what each gets, the places per node that stay empty so that GPUs share evenly."""

    concurrent: int
    cpus: int
    per_gpu: int = 0
    spare: tuple[tuple[str, int], ...] = ()

    @property
    def gpu_fraction(self) -> float:
        """1/k of a GPU in Ray's own precision of 1/10000, rounded down so that k of them always fit."""
        return math.floor(10_000 / self.per_gpu) / 10_000 if self.per_gpu else 0.0


def cluster_nodes() -> list[Node]:
    """The living machines of the connected cluster and what they declare."""
    return [
        Node(node["NodeID"], int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]


def plan(nodes: list[Node], *, cpus_per_trial: int, per_gpu: int, trials: int) -> Slots:
    """Places for `trials` on `nodes`, at most `per_gpu` on a GPU; on GPUs alone where there are any.

    Trials that can't fill all places are spread: no GPU gets two more than another. Ray itself would fill GPU 0
    first, so the places left over are reserved (`hold_spare`). Raises ConfigError if no node has the CPUs.
    """
    with_gpu = [node for node in nodes if node.gpus and node.cpus >= cpus_per_trial]
    if not with_gpu and any(node.gpus for node in nodes):
        raise ConfigError(f"resources.cpus_per_trial = {cpus_per_trial}: no machine with a GPU has as many; lower it")
    if not with_gpu:
        places = sum(node.cpus // cpus_per_trial for node in nodes)
        if not places:
            most = max((node.cpus for node in nodes), default=0)
            raise ConfigError(f"resources.cpus_per_trial = {cpus_per_trial}: no machine has more than {most}; lower it")
        return Slots(max(1, min(places, trials)), cpus_per_trial)

    def room(node: Node, k: int) -> int:
        return min(node.gpus * k, node.cpus // cpus_per_trial)

    concurrent = max(1, min(sum(room(node, per_gpu) for node in with_gpu), trials))
    k = next(k for k in range(1, per_gpu + 1) if sum(room(node, k) for node in with_gpu) >= concurrent)
    taken = {node.id: 0 for node in with_gpu}
    for _ in range(concurrent):
        free = [node for node in with_gpu if taken[node.id] < room(node, k)]
        taken[min(free, key=lambda node: taken[node.id] / node.gpus).id] += 1
    spare = tuple((node.id, node.gpus * k - taken[node.id]) for node in with_gpu)
    return Slots(concurrent, cpus_per_trial, k, tuple((node, count) for node, count in spare if count))


def fits(slots: Slots, nodes: list[Node]) -> bool:
    """Whether at least one trial of these places fits on any of the `nodes`."""
    return any(node.cpus >= slots.cpus and (node.gpus > 0 or not slots.per_gpu) for node in nodes)


@contextmanager
def hold_spare(slots: Slots, nodes: list[Node]) -> Iterator[Callable[[], None]]:
    """Reserve the places that stay empty, spread over the GPUs of their nodes, while the context lasts.

    Ray gives a fraction to the fullest GPU that has room. So per GPU: reserve the empty places, then fill the rest of
    that GPU, so that the next reservation meets another one; at last let go of what filled the rest. Yields what lets
    go of all, for when a machine is lost: its trials need places elsewhere, and so would its reservations.
    """

    def reserve(node: str, share: float) -> Any:
        group = ray_internals.reserve(node, share)
        if not group.wait(30):
            remove_placement_group(group)
            raise ConfigError("GPUs of the cluster are taken by others; wait, or set resources.trials_per_gpu = 1")
        return group

    def let_go(groups: list[Any]) -> None:
        while groups:
            remove_placement_group(groups[-1])
            groups.pop()  # only now: a cluster that was too busy is asked again

    gpus = {node.id: node.gpus for node in nodes}
    held: list[Any] = []
    rest: list[Any] = []
    try:
        for node, spare in slots.spare:
            for gpu in range(gpus[node]):
                empty = spare // gpus[node] + (gpu < spare % gpus[node])
                if empty:
                    held.append(reserve(node, empty * slots.gpu_fraction))
                if empty < slots.per_gpu:
                    rest.append(reserve(node, 1 - empty * slots.gpu_fraction))
        let_go(rest)
        yield lambda: let_go(held)
    finally:
        let_go(held)
        let_go(rest)
