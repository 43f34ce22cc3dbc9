"""Checkpoints: a training state saved and loaded, so that a resumed trial continues exactly."""

import io
from pathlib import Path

import torch

from model.errors import summary
from model.files import digest, write_atomically
from model.hyperparameters import Hyperparameters
from model.train import TrainingState, start

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
    path = folder / FILE
    try:
        content = torch.load(io.BytesIO(_verified(path)), map_location="cpu", weights_only=True)
        hyperparameters = Hyperparameters(**content["hyperparameters"])
        training = start(hyperparameters, seed=content["seed"], number=content["number"], device=device)
        training.net.load_state_dict(content["net"])
        training.optimizer.load_state_dict(content["optimizer"])
        if training.average is not None:
            training.average.load_state_dict(content["average"])
        training.epoch = content["epoch"]
    except Exception as error:  # torch.load raises a dozen types for a file of another kind
        raise CheckpointError(f"{path} can't be read as a checkpoint: {summary(error)}") from error
    return training


def _verified(path: Path) -> bytes:
    """Return the bytes that torch.save wrote into the checkpoint. Raises: ValueError where their SHA-256 is another."""
    content = path.read_bytes()
    expected, stored = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if bytes.fromhex(digest(stored)) != expected:
        raise ValueError("damaged (its SHA-256 does not fit)")
    return stored
