"""The export folder: a trained network with all that is needed to use it, here, elsewhere and in ten years.

mnist_cnn.pt          the weights, a plain state_dict
mnist_cnn.py          a standalone module: `Net()` without arguments fits these weights
model.json            hyperparameters, classes, normalisation, temperature, metrics, provenance, SHA-256 of the weights
                      (card.py)
novelty.pt            what tells images that are no digits (model/novelty.py), if there were enough images to find it
test_predictions.csv  the network's prediction and calibrated probabilities for each test image
insight.json          its first kernels and its worst mistakes as pictures (model/insight.py), for the report
SHA256SUMS            of these, for `sha256sum -c SHA256SUMS`
"""

import csv
import errno
import inspect
import io
import shutil
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model import network
from model.card import (
    INSIGHT,
    NOVELTY,
    ExportError,
    ModelCard,
    Normalisation,
    in_the_making,
    read_card,
    read_verified,
    replace_by_newer,
    sums,
    where_it_lies,
)
from model.errors import summary
from model.files import digest, flush_names, write_flushed
from model.hyperparameters import Hyperparameters
from model.limits import MEMORY, bounded
from model.network import Net
from model.novelty import AXES, Novelty

STANDALONE_BEGIN = '''"""The network whose weights are in mnist_cnn.pt. It needs PyTorch and nothing else.

net = Net()  # the architecture of the weights, which the last lines of this file give to `Net` as its defaults
net.load_state_dict(torch.load("mnist_cnn.pt", weights_only=True))
net.eval()   # then images (N, 1, 28, 28), normalised as model.json says, to log-probabilities (N, 10)
log_softmax(log_probabilities / temperature)  # calibrated, by the temperature in model.json
"""'''
STANDALONE_END = """

# The architecture of the weights. It replaces the defaults above, so that `Net()` fits them.
"""
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


def write_export(
    folder: Path,
    state_dict: dict[str, Tensor],
    hyperparameters: Hyperparameters,
    *,
    classes: list[str],
    mean: float,
    std: float,
    temperature: float = 1.0,
    novelty: Novelty | None = None,
    insight: bytes | None = None,
    metrics: dict[str, Any],
    provenance: dict[str, Any],
    labels: Tensor,
    probabilities: Tensor,
) -> None:
    """Write the export `folder`, in place of an older one if there is one.

    `state_dict` holds the weights of a network without batch norm (`model.fold`), `hyperparameters` say how it was
    trained. The weights stay as they were trained: whoever uses them divides log-probabilities by `temperature`
    (`model.calibration`). `labels` (N,) and `probabilities` (N, 10), at this temperature, are those of the test images,
    in the order of the test set.
    Raises: ValueError where weights and hyperparameters do not belong together or shapes do not match.
    """
    folder = folder.absolute()
    weights = {name: _plain(tensor) for name, tensor in state_dict.items()}
    _net(hyperparameters, weights)
    stored = _stored(weights)
    card = ModelCard(
        hyperparameters=hyperparameters,
        classes=classes,
        normalisation=Normalisation(mean=mean, std=std),
        temperature=temperature,
        novelty=novelty is not None,
        insight=insight is not None,
        metrics=metrics,
        provenance=provenance,
        sha256=digest(stored),
        num_parameters=sum(tensor.numel() for tensor in weights.values()),
    )
    files = {
        "mnist_cnn.pt": stored,
        "mnist_cnn.py": _standalone(hyperparameters).encode(),
        "model.json": (card.model_dump_json(indent=2) + "\n").encode(),
        "test_predictions.csv": _predictions(labels, probabilities).encode(),
    }
    if novelty is not None:
        files[NOVELTY] = _stored({name: _plain(tensor) for name, tensor in asdict(novelty).items()})
    if insight is not None:
        files[INSIGHT] = insight
    _replace(folder, {**files, "SHA256SUMS": sums(files)})


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
        net = _net(card.hyperparameters, _load(stored))
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


def _load(stored: bytes) -> Any:
    """Return the weights that torch.save stored, loaded within limits of time and memory. Raises: anything."""
    # It is a ZIP file: zeros could be packed a thousandfold.
    with bounded(memory=2 * len(stored) + MEMORY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strange file gets one line, ours
        return torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)


def _plain(tensor: Tensor) -> Tensor:
    """Return a copy of `tensor` on the CPU, as contiguous float32 in a storage of its own."""
    return tensor.detach().to("cpu", torch.float32).clone(memory_format=torch.contiguous_format)


def _blank(hyperparameters: Hyperparameters) -> Net:
    """Return the exported network without weights, which takes no memory however wide it is."""
    with torch.device("meta"):
        return Net(**hyperparameters.exported_architecture())


def _net(hyperparameters: Hyperparameters, weights: dict[str, Tensor]) -> Net:
    """Return the exported network with these weights, in evaluation mode. Raises: ValueError where they do not fit."""
    net = _blank(hyperparameters)
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    _check(weights, expected, "the hyperparameters say")
    net.load_state_dict(weights, assign=True)
    return net.eval()


def _stored(tensors: dict[str, Tensor]) -> bytes:
    """Return what torch.save writes for these tensors."""
    stored = io.BytesIO()
    torch.save(tensors, stored)
    return stored.getvalue()


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


def _standalone(hyperparameters: Hyperparameters) -> str:
    """Return the text of mnist_cnn.py: the source of model/network.py, then the exported architecture as defaults."""
    source = inspect.getsource(network).removeprefix(f'"""{network.__doc__}"""')
    chosen = "".join(f"    {name}={value!r},\n" for name, value in hyperparameters.exported_architecture().items())
    return f"{STANDALONE_BEGIN}{source}{STANDALONE_END}Net.__init__.__kwdefaults__.update(\n{chosen})\n"


def _predictions(labels: Tensor, probabilities: Tensor) -> str:
    """Return test_predictions.csv for labels (N,) and probabilities (N, 10). Raises: ValueError for other shapes."""
    if probabilities.shape != (len(labels), 10):
        raise ValueError(f"probabilities have shape {tuple(probabilities.shape)}, labels ask for ({len(labels)}, 10)")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "label", "prediction", "probability", "correct", *(f"p{digit}" for digit in range(10))])
    best = probabilities.argmax(dim=1).tolist()
    for index, (label, digit, row) in enumerate(zip(labels.tolist(), best, probabilities.tolist(), strict=True)):
        writer.writerow([index, label, digit, f"{row[digit]:.7g}", label == digit, *(f"{p:.7g}" for p in row)])
    return text.getvalue()


def _replace(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files beside `folder` and rename them into place: a crash leaves the old export or the new one."""
    new = in_the_making(folder)
    shutil.rmtree(new, ignore_errors=True)  # left by a crash
    new.mkdir(parents=True)
    for name, contents in files.items():
        write_flushed(new / name, contents)
    flush_names(new)
    replace_by_newer(folder)
    if new.exists():
        raise OSError(errno.EIO, "reads otherwise than it was written", str(new))
