"""Fixtures for tests of bad input: a memory limit for every test, no network, a small export."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from model.hyperparameters import Hyperparameters
from model.network import Net
from model.write_export import write_export

MEMORY = 3 * 2**29  # bytes that a test may take at its peak, beyond those held before


def peak() -> int:
    """Return the most bytes that this process has held at once."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


@pytest.fixture(autouse=True)
def _bounded_memory(one_thread: None) -> Iterator[None]:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = peak()
    yield
    assert peak() - before < MEMORY


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def seven() -> Image.Image:
    image = Image.new("L", (48, 64), 250)
    ImageDraw.Draw(image).line([(8, 8), (40, 8), (20, 56)], fill=20, width=6)
    return image


@pytest.fixture(scope="session")
def whole_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export folder with a tiny network that was never trained, but is sure of itself."""
    small = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4, pool="early")
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("whole") / "export"
    net = Net(**small.architecture())
    with torch.no_grad():
        net.fc2.weight *= 1e6  # sure of its answers, as if it had learned
    write_export(
        folder, net.state_dict(), small, classes=list("0123456789"), mean=0.13, std=0.3,
        metrics={"val_accuracy": 0.1}, provenance={"dataset": "mnist"}, labels=torch.tensor([1]),
        probabilities=torch.eye(10)[:1],
    )  # fmt: skip
    return folder


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused needs no Ray, which would start meanwhile."""
    monkeypatch.setattr("search.on_ray.door.ray_begun", lambda *_: contextlib.nullcontext())
