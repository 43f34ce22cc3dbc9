"""How long the exported network takes for one image alone, on one CPU thread: what a person who waits for it feels."""

import statistics
import time

import torch

from model.hyperparameters import Hyperparameters
from model.network import Net

WARM_UP, FEWEST, MOST = 5, 5, 30  # passes before the timed ones; the fewest and the most timed ones
MOST_SECONDS = 0.1  # for all of them, where there may be fewer


def milliseconds_per_image(hyperparameters: Hyperparameters) -> float:
    """Return the median time of one image through the exported network in evaluation mode, in milliseconds.

    Weights are fresh ones, since their values do not change the work. Random numbers and the number of threads are left
    as they were found.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            net = Net(**hyperparameters.exported_architecture()).eval()
            return 1000 * statistics.median(_seconds(net, torch.randn(1, 1, 28, 28)))
    finally:
        torch.set_num_threads(threads)


def _seconds(net: Net, image: torch.Tensor) -> list[float]:
    """Return the times of passes of one image (1, 1, 28, 28), those of the warm-up left out."""
    times: list[float] = []
    while len(times) < WARM_UP + FEWEST or (len(times) < WARM_UP + MOST and sum(times) < MOST_SECONDS):
        began = time.perf_counter()
        net(image)
        times.append(time.perf_counter() - began)
    return times[WARM_UP:]
