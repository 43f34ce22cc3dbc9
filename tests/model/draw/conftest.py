"""Fixtures for tests of the drawing page: a network that knows digits, and the page that answers with it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from model.data import load_dataset
from model.draw.server import web_server
from model.export import Export, read_export
from model.hyperparameters import Hyperparameters
from model.train import fit, start
from model.write_export import write_export
from tests.harness import torch_threads

LEARNER = Hyperparameters(
    conv1_width=8, conv2_width=16, kernel_size=5, hidden_width=64, pool="early", dropout1=0.0, dropout2=0.0,
    optimizer="adamw", learning_rate=0.01, schedule="one-cycle", batch_size=64, epochs=1,
)  # fmt: skip


@pytest.fixture(scope="session")
def trained(mnist_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The export of a small network that reads most digits, after some seconds of training."""
    data = load_dataset("mnist", mnist_root, validation_images=1000, train_images=10_000)
    training = start(LEARNER, seed=1, number=0, device=torch.device("cpu"))
    with torch_threads(1):
        list(fit(training, data))
    folder = tmp_path_factory.mktemp("trained") / "export"
    write_export(
        folder, training.net.state_dict(), LEARNER, classes=[*data.classes], mean=data.mean, std=data.std,
        metrics={}, provenance={"dataset": data.name}, labels=torch.tensor([1]), probabilities=torch.eye(10)[:1],
    )  # fmt: skip
    return read_export(folder)


@pytest.fixture(scope="module")
def address(trained: Export) -> Iterator[str]:
    """The address of the page."""
    with served(trained) as found:
        yield found


@contextmanager
def served(export: Export) -> Iterator[str]:
    """Answer the page in a thread while the body runs, and give its address."""
    server = web_server(export)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
