"""Checkpoints: a training state saved and loaded, so that a resumed trial continues exactly."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from model.errors import summary
from model.files import digest, write_atomically
from model.hyperparameters import Hyperparameters
from model.network import Net
from model.train import TrainingState, new_network, start

# A checkpoint is the SHA-256 of the bytes that torch.save wrote, then these bytes: one file keeps them together.
FILE = "state.bin"
DIGEST_BYTES = 32


class CheckpointError(Exception):
    """Raised for a checkpoint that can't be used; the message is one line."""


def save(training: TrainingState, folder: Path) -> None:
    """Write a checkpoint of `training` into `folder`, whole or not at all: all that it changes, and its seeds."""
    stored = io.BytesIO()
    content = {
        "hyperparameters": training.hyperparameters.model_dump(),
        "seed": training.seed,
        "number": training.number,
        "epoch": training.epoch,
        "net": training.net.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "average": None if training.average is None else training.average.state_dict(),
    }
    torch.save(content, stored)
    write_atomically(folder / FILE, bytes.fromhex(digest(stored.getbuffer())) + stored.getvalue())


def load(folder: Path, device: torch.device) -> TrainingState:
    """Return the training state in the checkpoint that `save` wrote, on `device`.

    Raises: CheckpointError for a file that is damaged or absent.
    """
    with _read(folder) as content:
        hyperparameters = Hyperparameters(**content["hyperparameters"])
        training = start(hyperparameters, seed=content["seed"], number=content["number"], device=device)
        training.net.load_state_dict(content["net"])
        training.optimizer.load_state_dict(content["optimizer"])
        if training.average is not None:
            training.average.load_state_dict(content["average"])
        training.epoch = content["epoch"]
    return training


def load_trained(folder: Path) -> Net:
    """Return the trained network alone (`TrainingState.trained`) of the checkpoint that `save` wrote, on the CPU.

    An optimizer is not made for it: the first one of a process imports for two seconds. Raises: CheckpointError.
    """
    with _read(folder) as content:
        net = new_network(Hyperparameters(**content["hyperparameters"]), torch.device("cpu"))
        averages = content["average"] or {}
        weights = {name.removeprefix("module."): values for name, values in averages.items() if name != "n_averaged"}
        net.load_state_dict(weights or content["net"])
    return net


@contextmanager
def _read(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what `save` wrote. Raises CheckpointError if it is damaged or absent, or of no use to the body."""
    path = folder / FILE
    try:
        yield torch.load(io.BytesIO(_verified(path)), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a dozen types for a file of another kind
        raise CheckpointError(f"{path} can't be read as a checkpoint: {summary(error)}") from error


def _verified(path: Path) -> bytes:
    """Return the bytes that torch.save wrote into the checkpoint. Raises: ValueError where their SHA-256 is another."""
    content = path.read_bytes()
    expected, stored = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if bytes.fromhex(digest(stored)) != expected:
        raise ValueError("damaged (its SHA-256 does not fit)")
    return stored
