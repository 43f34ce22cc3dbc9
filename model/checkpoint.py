"""Training state on disk: saved and loaded side by side, so that a resumed trial continues exactly."""

import os
from pathlib import Path

import torch

from model.hyperparameters import Hyperparameters
from model.train import TrainingState, start

FILE = "state.pt"


class CheckpointError(Exception):
    """A saved state that can't be used; the message is one line."""


def save(state: TrainingState, folder: Path) -> None:
    """Write weights, optimizer and epoch into `folder`, under a temporary name first."""
    content = {
        "hyperparameters": state.hyperparameters.model_dump(),
        "seed": state.seed,
        "number": state.number,
        "epoch": state.epoch,
        "net": state.net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
    }
    temporary = folder / f".{FILE}.tmp"
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / FILE)


def load(folder: Path, device: torch.device) -> TrainingState:
    """The state that `save` wrote, on `device`. Raises CheckpointError for a file that is damaged or absent."""
    path = folder / FILE
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        hyperparameters = Hyperparameters(**content["hyperparameters"])
        state = start(hyperparameters, seed=content["seed"], number=content["number"], device=device)
        state.net.load_state_dict(content["net"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.epoch = content["epoch"]
    except Exception as error:  # torch.load raises a dozen types for a damaged file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{path} can't be read as a training state: {reason}") from error
    return state
