"""Small export folders for tests: written, forged with checksums that fit, and used without this project."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.card import FILES, sums
from model.hyperparameters import Hyperparameters
from model.network import Net
from model.novelty import AXES, Novelty
from model.write_export import write_export

WINNER = Hyperparameters(
    conv1_width=4, conv2_width=6, kernel_size=5, hidden_width=8, pool="early", dropout1=0.125, learning_rate=0.3
)
LABELS = torch.tensor([3, 1, 4])
SURE = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4, pool="early")


def write(folder: Path, net: Net, probabilities: Tensor, **changes: Any) -> None:
    """Write an export of WINNER; `changes` replaces other arguments of `write_export`."""
    given: dict[str, Any] = {
        "classes": [str(digit) for digit in range(10)],
        "mean": 0.1307,
        "std": 0.3081,
        "temperature": 1.25,
        "metrics": {"val_accuracy": 0.99, "test_accuracy": 0.98},
        "provenance": {"dataset": "mnist", "trial": 7},
        "labels": LABELS,
        "probabilities": probabilities,
    }
    write_export(folder, net.state_dict(), WINNER, **given | changes)


def write_sure(
    folder: Path, dataset: str = "mnist", classes: str = "0123456789", unlike: Novelty | None = None
) -> Path:
    """Write an export whose network nobody trained, and which is sure of what it says; return its folder."""
    torch.manual_seed(3)
    net = Net(**SURE.architecture())
    with torch.no_grad():
        net.fc2.weight *= 1e6
    write_export(
        folder, net.state_dict(), SURE, classes=list(classes), mean=0.2, std=0.4,
        novelty=unlike, metrics={}, provenance={"dataset": dataset},
        labels=torch.tensor([1]), probabilities=torch.eye(10)[:1],
    )  # fmt: skip
    return folder


def novel_beyond(net: Net, limit: float) -> Novelty:
    """Return a novelty for a network that was fitted to nothing: an image of more than `limit` is novel."""
    features = net.fc1.in_features
    axes = torch.zeros(features, min(AXES, features // 2))
    return Novelty(torch.zeros(features), axes, torch.ones(1), torch.tensor([limit]))


def change_card(folder: Path, **changes: Any) -> None:
    """Change fields of model.json, with checksums that fit."""
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | changes))
    sign(folder)


def sign(folder: Path) -> None:
    """Write SHA256SUMS anew, so that changed files look genuine."""
    (folder / "SHA256SUMS").write_bytes(sums({name: (folder / name).read_bytes() for name in FILES}))


def alone(folder: Path, script: str) -> str:
    """Run a script in the export folder, without this project on its path, and return what it prints."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ran = subprocess.run(
        [sys.executable, "-s", "-c", script], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
