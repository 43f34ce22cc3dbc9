"""The automatic number of trials per GPU: as many as the measured memory allows."""

from collections.abc import Callable
from typing import Any

import ray
import torch
from ray.exceptions import GetTimeoutError, RayError
from ray.util import remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from model.errors import ConfigError
from model.hyperparameters import Hyperparameters
from model.train import fit, start
from search.on_ray import ray_internals
from search.on_ray.slots import MOST_PER_GPU, Node
from search.on_ray.trial import dataset_on_device
from search.on_ray.waiting import wait_for_gpus

CONTEXT_BYTES = 600 * 2**20  # what CUDA itself takes in each process: about 500 MB on recent cards
MEMORY_SHARE = 0.9  # of a GPU's memory that trials may fill
LIMIT = 300  # seconds until GPUs are free, then until all are measured


def trials_that_fit(free_bytes: int, peak_bytes: int) -> int:
    """Return how many trials fit in the free memory of a GPU: at least 1, at most 8."""
    return max(1, min(MOST_PER_GPU, int(free_bytes * MEMORY_SHARE) // max(peak_bytes, 1)))


def measured_per_gpu(
    largest: Hyperparameters, data: dict[str, Any], nodes: list[Node], warn: Callable[[str], None]
) -> int:
    """Return the number of trials per GPU that the largest trial's memory allows on every node. Raises ConfigError.

    `largest` is trained for two steps on one GPU of each node. `warn` is told if others hold these GPUs.
    """
    measure = ray.remote(num_gpus=1, num_cpus=1, max_calls=1, max_retries=0)(_measure)
    groups = [ray_internals.reserve(node.id, 1, cpus=1) for node in nodes if node.gpus]
    try:
        wait_for_gpus(groups, LIMIT, warn)
        shared = ray.put(data)
        there = [PlacementGroupSchedulingStrategy(group) for group in groups]
        running = [measure.options(scheduling_strategy=on).remote(largest.model_dump(), shared) for on in there]
        return min(trials_that_fit(free, peak) if peak else 1 for free, peak in ray.get(running, timeout=LIMIT))
    except GetTimeoutError:
        raise ConfigError(f"GPUs could not be measured within {LIMIT} s; set resources.trials_per_gpu") from None
    except RayError:
        return 1  # not even one trial fits: the trials will fail and say why
    finally:
        for group in groups:
            remove_placement_group(group)


def _measure(hyperparameters: dict[str, Any], data: dict[str, Any]) -> tuple[int, int]:
    """Return the free bytes of this GPU and the peak of one training process; zeros if torch has no CUDA."""
    if not torch.cuda.is_available():
        return 0, 0
    device = torch.device("cuda:0")
    free, _ = torch.cuda.mem_get_info()
    largest = Hyperparameters(**{**hyperparameters, "epochs": 1})
    images, labels = data["train"]
    rows = 2 * largest.batch_size
    few = dataset_on_device({**data, "train": (images[:rows], labels[:rows]), "token": "measure"}, device)
    for _metrics in fit(start(largest, seed=0, number=0, device=device), few):
        pass
    # CUDA's own context is not part of the difference: the first call of mem_get_info has created it already.
    return free, free - torch.cuda.mem_get_info()[0] + images.nbytes + CONTEXT_BYTES
