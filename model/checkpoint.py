"""Training state on disk: saved and loaded side by side, so that a resumed trial continues exactly."""

import io
from pathlib import Path

import torch

from model.errors import summary
from model.files import digest, write_atomically
from model.hyperparameters import Hyperparameters
from model.train import TrainingState, start

# The SHA-256 of what torch.save wrote, then that: one file, so that the two can't come apart.
FILE = "state.bin"
DIGEST_BYTES = 32


class CheckpointError(Exception):
    """A saved state that can't be used; the message is one line."""


def save(state: TrainingState, folder: Path) -> None:
    """Write weights, optimizer and epoch into `folder`, under a temporary name first."""
    stored = io.BytesIO()
    content = {
        "hyperparameters": state.hyperparameters.model_dump(),
        "seed": state.seed,
        "number": state.number,
        "epoch": state.epoch,
        "net": state.net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
    }
    torch.save(content, stored)
    write_atomically(folder / FILE, bytes.fromhex(digest(stored.getbuffer())) + stored.getvalue())


def load(folder: Path, device: torch.device) -> TrainingState:
    """The state that `save` wrote, on `device`. Raises CheckpointError for a file that is damaged or absent."""
    path = folder / FILE
    try:
        content = torch.load(io.BytesIO(_verified(path)), map_location="cpu", weights_only=True)
        hyperparameters = Hyperparameters(**content["hyperparameters"])
        state = start(hyperparameters, seed=content["seed"], number=content["number"], device=device)
        state.net.load_state_dict(content["net"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.epoch = content["epoch"]
    except Exception as error:  # torch.load raises a dozen types for a file of another kind
        raise CheckpointError(f"{path} can't be read as a training state: {summary(error)}") from error
    return state


def _verified(path: Path) -> bytes:
    """What torch.save wrote. Raises ValueError where it is not what its digest was made of."""
    content = path.read_bytes()
    expected, stored = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if bytes.fromhex(digest(stored)) != expected:
        raise ValueError("damaged (its SHA-256 does not fit)")
    return stored
