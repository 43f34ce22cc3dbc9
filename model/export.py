"""An export folder, found and read; model/write_export.py writes it, and says what is in it."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.card import NOVELTY, ExportError, read_card, read_verified, where_it_lies
from model.errors import summary
from model.files import digest
from model.hyperparameters import Hyperparameters
from model.limits import MEMORY, bounded
from model.network import Net
from model.novelty import AXES, Novelty

MAX_OVERHEAD = 100_000  # bytes of mnist_cnn.pt that are not weights


@dataclass(frozen=True)
class Export:
    """A trained network read from an export folder, in evaluation mode, with its card."""

    folder: Path
    net: Net
    hyperparameters: Hyperparameters
    classes: list[str]
    mean: float
    std: float
    temperature: float
    novelty: Novelty | None
    metrics: dict[str, Any]
    provenance: dict[str, Any]


def read_export(folder: Path | str) -> Export:
    """Read an export folder; nothing in it is ever executed. Raises: ExportError for a missing or damaged one."""
    folder = where_it_lies(Path(folder))
    card, path = read_card(folder), folder / "mnist_cnn.pt"
    numbers = sum(tensor.numel() for tensor in _blank(card.hyperparameters).state_dict().values())
    stored = read_verified(folder, "mnist_cnn.pt", 4 * numbers + MAX_OVERHEAD)
    found = digest(stored)
    if found != card.sha256:
        raise ExportError(f"{path}: SHA-256 is {found[:12]}…, model.json says {card.sha256[:12]}…")
    try:
        net = exported_net(card.hyperparameters, _load(stored))
    except Exception as error:  # a file made to do harm can raise anything
        raise ExportError(f"{path}: unusable weights ({summary(error)})") from error
    return Export(
        folder=folder,
        net=net,
        hyperparameters=card.hyperparameters,
        classes=card.classes,
        mean=card.normalisation.mean,
        std=card.normalisation.std,
        temperature=card.temperature,
        novelty=_read_novelty(folder, net) if card.novelty else None,
        metrics=card.metrics,
        provenance=card.provenance,
    )


def newest_export(runs: Path | str) -> Path:
    """Return the export folder below `runs` that was written last. Raises: ExportError where there is none."""
    found = [where_it_lies(run / "export") / "model.json" for run in Path(runs).glob("*")]
    found = [path for path in found if path.is_file()]
    if not found:
        raise ExportError(f"no export below {str(runs)!r}", "run `make search` or name one with --model DIR")
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent


def chosen_export(folder: Path | None) -> Path:
    """Return the export folder that a command is to use: `folder`, or the export of the run that it is, or the newest.

    Raises: ExportError where no folder is named and there is none below runs/.
    """
    folder = folder or newest_export(Path("runs"))
    within = where_it_lies(folder / "export")
    return within if within.is_dir() else folder


def exported_net(hyperparameters: Hyperparameters, weights: dict[str, Tensor]) -> Net:
    """Return the exported network with these weights, in evaluation mode. Raises: ValueError where they do not fit."""
    net = _blank(hyperparameters)
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    _check(weights, expected, "the hyperparameters say")
    net.load_state_dict(weights, assign=True)
    return net.eval()


def _read_novelty(folder: Path, net: Net) -> Novelty:
    """Return the contents of novelty.pt. Raises: ExportError where they can't be used with this network."""
    features = net.fc1.in_features
    stored = read_verified(folder, NOVELTY, 4 * features * (AXES + 1) + MAX_OVERHEAD)
    try:
        found = _load(stored)
        axes = min(AXES, features // 2)
        _check(
            found, {"mean": (features,), "axes": (features, axes), "weight": (1,), "limit": (1,)}, "the network says"
        )
    except Exception as error:  # as above
        raise ExportError(f"{folder / NOVELTY}: unusable ({summary(error)})") from error
    return Novelty(**found)


def _load(stored: bytes) -> Any:
    """Return the weights that torch.save stored, loaded within limits of time and memory. Raises: anything."""
    # It is a ZIP file: zeros could be packed a thousandfold.
    with bounded(memory=2 * len(stored) + MEMORY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strange file gets one line, ours
        return torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)


def _blank(hyperparameters: Hyperparameters) -> Net:
    """Return the exported network without weights, which takes no memory however wide it is."""
    with torch.device("meta"):
        return Net(**hyperparameters.exported_architecture())


def _check(weights: Any, expected: dict[str, tuple[int, ...]], who_says: str) -> None:
    """Raise ValueError unless `weights` are finite dense float32 tensors of the names and shapes in `expected`."""
    if not isinstance(weights, dict) or weights.keys() != expected.keys():
        raise ValueError(f"names must be {', '.join(expected)}")
    for name, tensor in weights.items():
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float32 or tensor.layout != torch.strided:
            raise ValueError(f"{name} must be a dense float32 tensor")
        if tuple(tensor.shape) != expected[name]:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, {who_says} {expected[name]}")
        if not tensor.isfinite().all():
            raise ValueError(f"{name} holds numbers that are not finite")
