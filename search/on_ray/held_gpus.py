"""GPUs that are held for good, so that no trial is put on them: those that torch can't use."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

WAIT = 30.0  # seconds until a GPU is thought to be held by another job, which keeps trials off it as well


class _Holder:
    """An actor that takes one GPU and does nothing with it."""

    def gpus(self) -> list[str]:
        return [str(gpu) for gpu in ray.get_runtime_context().get_accelerator_ids().get("GPU", [])]


def hold(node: str, num_gpus: int, ids: list[str]) -> list[Any]:
    """Take the GPUs `ids` of a machine, until what is returned is no longer referred to.

    Which GPU an actor gets is up to Ray: all are taken at once, and those that are sound are given back.

    Args:
        node: Ray's id of the machine.
        num_gpus: The number of its GPUs.
        ids: The ids of those to hold.
    """
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    holder = ray.remote(num_cpus=0, num_gpus=1)(_Holder).options(scheduling_strategy=there)
    asked = {actor.gpus.remote(): actor for actor in (holder.remote() for _ in range(num_gpus))}
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=WAIT)
    found = {answer: ray.get(answer) for answer in answered}
    held = []
    for answer, actor in asked.items():
        if set(found.get(answer, [])) & set(ids):
            held.append(actor)
        else:
            ray.kill(actor)
    return held
