"""How fast one network trains: python -m benchmarks.training [IMAGES [N]]

Images per second of one epoch of IMAGES (5,000) training images of MNIST, N times each (5), in turn, after one epoch of
each that is not counted: the article's network by its own loop (benchmarks/article.py) and by ours, with its batches of
64 and all threads of this machine; and a network of `make search`, by ours in one thread and in all; both in bfloat16
too, which only a processor that has it computes fast. Ours runs in a process with the environment of a search's
workers, the article's loop in this one. It prints median, least and most, the ratios, the share of this machine's peak
in float32 (a product of large matrices, measured in turn too), and one JSON line.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import article
from benchmarks.trainings import workers
from model.data import Dataset, load_dataset
from model.hyperparameters import RECIPE, Hyperparameters
from model.machine import usable_cpus
from model.network import Net
from model.precision import Precision
from model.train import fit, start
from search.experiment import load_experiment

QUICK = load_experiment(Path(__file__).parents[1] / "configs" / "quick.toml").space
EARLY = Hyperparameters(**{**QUICK.fixed, "conv1_width": 16, "conv2_width": 48, "kernel_size": 5, "learning_rate": 0.01,
                           "dropout1": 0.1, "dropout2": 0.2, "shift": 1.0})  # fmt: skip
SIZE = 2048  # of the matrices
PRODUCTS = 5


def main(images: str = "5000", repeats: str = "5") -> None:
    cpus = usable_cpus()
    torch.set_num_threads(cpus)  # for the article's loop
    ours: dict[str, tuple[Callable[..., float], Any]] = {
        "the article's network, ours": (_ours, (RECIPE, int(images), cpus)),
        "the article's network, ours, bfloat16": (_ours, (RECIPE, int(images), cpus, "bfloat16")),
        "the network of make search, one thread": (_ours, (EARLY, int(images), 1)),
        "the network of make search, one thread, bfloat16": (_ours, (EARLY, int(images), 1, "bfloat16")),
        "the network of make search, all threads": (_ours, (EARLY, int(images), cpus)),
        f"GFLOP/s of {cpus} threads": (_peak, (cpus,)),
        "GFLOP/s of one thread": (_peak, (1,)),
    }
    loop_name = "the article's network, its loop"
    found: dict[str, list[float]] = {name: [] for name in (loop_name, *ours)}
    with workers(1) as pool:
        for repeat in range(int(repeats) + 1):
            speeds = [article.images_per_second(int(images)), *(pool.apply(*side) for side in ours.values())]
            for name, speed in zip(found, speeds, strict=True):
                if repeat:
                    found[name].append(speed)
    for name, values in found.items():
        print(f"{name}: {statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f}), n = {repeats}")
    middle = {name: statistics.median(values) for name, values in found.items()}
    loop, tensors, reduced, one, reduced_one, _, peak, peak_of_one = middle.values()
    print(f"ours against the article's loop: {tensors / loop:.2f}, in bfloat16 {reduced / loop:.2f}")
    print(f"bfloat16 against float32, network of make search: {reduced_one / one:.2f}")
    print(f"share of the peak, article: {tensors * _flop(RECIPE) / 1e9 / peak:.0%}")
    print(f"share of the peak, quick: {one * _flop(EARLY) / 1e9 / peak_of_one:.0%}")
    print(json.dumps(found))


def _ours(hyperparameters: Hyperparameters, images: int, threads: int, precision: Precision = "float32") -> float:
    torch.set_num_threads(threads)
    one_epoch = hyperparameters.model_copy(update={"epochs": 1})
    training = start(one_epoch, seed=0, number=0, device=torch.device("cpu"))
    return next(iter(fit(training, _data(images), precision))).images_per_second


@cache
def _data(images: int) -> Dataset:
    return load_dataset("mnist", train_images=images)


def _peak(threads: int) -> float:
    """Return the GFLOP/s of a product of two large matrices, of the fastest of PRODUCTS: a peak is what is possible."""
    torch.set_num_threads(threads)
    a, b = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE)
    seconds = []
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - began)
    return 2 * SIZE**3 / min(seconds) / 1e9


def _flop(hyperparameters: Hyperparameters) -> float:
    """Return the floating-point operations of convolutions and linear layers that training takes for one image.

    Backwards each takes twice those of forwards: for its weights and for its inputs; the first layer's need none.
    """
    net, total = Net(**hyperparameters.architecture()), 0.0

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += (2 if layer is net.conv1 else 3) * 2 * output.numel() * layer.weight[0].numel()

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    net.eval()(torch.zeros(1, 1, 28, 28))
    return total


if __name__ == "__main__":
    main(*sys.argv[1:])
