"""Write the export folder: a trained network with all that is needed to use it, here, elsewhere and in ten years.

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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model import network
from model.card import INSIGHT, NOVELTY, ModelCard, Normalisation, in_the_making, replace_by_newer, sums
from model.export import exported_net
from model.files import digest, flush_names, write_flushed
from model.hyperparameters import Hyperparameters
from model.novelty import Novelty

STANDALONE_BEGIN = '''"""The network whose weights are in mnist_cnn.pt. It needs PyTorch and nothing else.

net = Net()  # the architecture of the weights, which the last lines of this file give to `Net` as its defaults
net.load_state_dict(torch.load("mnist_cnn.pt", weights_only=True))
net.eval()   # then images (N, 1, 28, 28), normalised as model.json says, to log-probabilities (N, 10)
log_softmax(log_probabilities / temperature)  # calibrated, by the temperature in model.json
"""'''
STANDALONE_END = """

# The architecture of the weights. It replaces the defaults above, so that `Net()` fits them.
"""


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
    exported_net(hyperparameters, weights)  # or nobody could read it back
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


def _plain(tensor: Tensor) -> Tensor:
    """Return a copy of `tensor` on the CPU, as contiguous float32 in a storage of its own."""
    return tensor.detach().to("cpu", torch.float32).clone(memory_format=torch.contiguous_format)


def _stored(tensors: dict[str, Tensor]) -> bytes:
    """Return what torch.save writes for these tensors."""
    stored = io.BytesIO()
    torch.save(tensors, stored)
    return stored.getvalue()


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
