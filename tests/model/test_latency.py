"""The time for one image is measured on the exported network, one thread, one image, and changes nothing else."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from model.hyperparameters import Hyperparameters
from model.latency import FEWEST, MOST, WARM_UP, milliseconds_per_image
from model.network import Net
from tests.harness import torch_threads

SMALL = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4, pool="early", batch_norm=True)


class Watched(Net):
    """A network that notes what passes through it, and how."""

    seen: ClassVar[list[tuple[tuple[int, ...], bool, bool, int]]] = []

    def forward(self, x: Tensor) -> Tensor:
        normed = isinstance(self.norm1, torch.nn.BatchNorm2d)
        self.seen.append((tuple(x.shape), self.training, normed, torch.get_num_threads()))
        return super().forward(x)


def test_one_image_passes_alone_on_one_thread_through_the_folded_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.latency.Net", Watched)
    monkeypatch.setattr("model.latency.MOST_SECONDS", 1e9)
    monkeypatch.setattr(Watched, "seen", [])
    with torch_threads(2):
        milliseconds_per_image(SMALL)
    assert Watched.seen == [((1, 1, 28, 28), False, False, 1)] * (WARM_UP + MOST)


def test_it_is_the_median_without_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = [9.0] * WARM_UP + [0.003] * (MOST // 2 + 1) + [5.0] * (MOST // 2 - 1)
    clock = iter(
        [tick for number, seconds in enumerate(lasting) for tick in (100.0 * number, 100.0 * number + seconds)]
    )
    monkeypatch.setattr("model.latency.MOST_SECONDS", 1e9)
    monkeypatch.setattr("model.latency.time.perf_counter", lambda: next(clock))
    assert round(milliseconds_per_image(SMALL), 6) == 3.0


def test_a_slow_network_is_timed_as_often_as_a_median_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.latency.Net", Watched)
    monkeypatch.setattr("model.latency.MOST_SECONDS", 0.0)
    monkeypatch.setattr(Watched, "seen", [])
    assert milliseconds_per_image(SMALL) > 0
    assert len(Watched.seen) == WARM_UP + FEWEST


def test_random_numbers_and_threads_are_left_as_they_were() -> None:
    before = torch.get_rng_state()
    with torch_threads(2):
        milliseconds_per_image(SMALL)
        assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), before)
