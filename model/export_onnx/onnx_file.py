"""The exported network as one ONNX file, from pixels to probabilities, that answers as it does in PyTorch."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
import onnxscript  # noqa: F401  # torch.onnx.export writes with it
import torch
from torch import Tensor, nn

from model.calibration import calibrated
from model.card import add_file, read_card
from model.data import data_root
from model.errors import InputError
from model.export import Export, chosen_export, read_export
from model.files import write_atomically
from model.source import images_at_hand
from model.train import predict

FILE = "mnist_cnn.onnx"
OPSET = 18  # of ONNX 1.13 (2022), so that older runtimes read the file too
TOLERANCE = 1e-4  # of a logit; rounding gives about 1e-5
NOISE = 1000  # images to check with where those of the data set are not there
BATCH = 1000


class OnnxError(InputError):
    """Raised for an ONNX file that answers otherwise than the network in PyTorch; the text is one line."""


@dataclass(frozen=True)
class Written:
    """An ONNX file, and what it was checked on: the largest difference of a logit, on so many of these images."""

    path: Path
    images: str
    difference: float


class Answers(nn.Module):
    """The network with what classification does before and after it."""

    def __init__(self, export: Export) -> None:
        super().__init__()
        self.net, self.mean, self.std, self.temperature = export.net, export.mean, export.std, export.temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, over the temperature, and probabilities, both (N, 10), of pixels (N, 1, 28, 28), uint8."""
        images = (pixels.float() / 255 - self.mean) / self.std
        logits = self.net.logits(self.net.features(images)) / self.temperature
        return logits, logits.softmax(dim=1)


def write_onnx(folder: Path, out: Path | None = None) -> Written:
    """Write the network of an export, or of a run's export, as ONNX to `out`, or beside its weights; check it before.

    Beside the weights it gets its line in SHA256SUMS. Raises: ExportError; OnnxError where it answers otherwise;
    OSError.
    """
    folder = chosen_export(folder)
    export = read_export(folder)
    contents = onnx_of(export, read_card(folder).sha256)
    images, called = _images(export)
    difference = check(contents, export, images, called)
    if out is None or out.resolve() == (folder / FILE).resolve():
        return Written(add_file(folder, FILE, contents), called, difference)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, contents)
    return Written(out, called, difference)


def onnx_of(export: Export, sha256: str) -> bytes:
    """Return an export as the contents of an ONNX file; `sha256` is that of its weights, which the file will name."""
    example = (torch.zeros(2, 1, 28, 28, dtype=torch.uint8),)
    with _quiet():
        program = torch.onnx.export(
            Answers(export).eval(),
            example,
            input_names=["pixels"],
            output_names=["logits", "probabilities"],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            verbose=False,
        )
    assert program
    model = program.model_proto
    _make_plain(model)
    about = {"classes": json.dumps(export.classes), "sha256": sha256}
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch's exporter says of its own steps; what goes wrong is raised."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _make_plain(model: onnx.ModelProto) -> None:
    """Take out of a model what torch's exporter notes for its own use, such as the paths of source files."""
    model.producer_name, model.producer_version = "digit-search", ""
    graph = model.graph
    graph.name = "mnist_cnn"
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def check(contents: bytes, export: Export, images: Tensor, called: str) -> float:
    """Return the largest difference of a logit between an ONNX file and PyTorch on images (N, 28, 28), uint8.

    Logits are compared as log-probabilities, as the images of a test are scored. Raises: OnnxError where one differs by
    more than TOLERANCE, or a class does.
    """
    with torch.inference_mode():
        expected = calibrated(predict(export.net, images, export.mean, export.std), export.temperature)
    logits, probabilities = answers(contents, images)
    difference = float((logits.log_softmax(dim=1) - expected).abs().max())
    others = int((probabilities.argmax(dim=1) != expected.argmax(dim=1)).sum())
    if others or not difference <= TOLERANCE:  # so that nan is refused too
        raise OnnxError(
            f"the ONNX file answers otherwise than PyTorch, so it was not written: on {called}, {others} classes "
            f"differ, and logits by up to {difference:.2g} (at most {TOLERANCE:g}); try other versions of "
            "onnx, onnxscript and onnxruntime"
        )
    return difference


def answers(contents: bytes, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits and the probabilities, both (N, 10), of an ONNX file for images (N, 28, 28), uint8."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    found = [session.run(None, {"pixels": batch[:, None].numpy()}) for batch in torch.split(images, BATCH)]
    logits, probabilities = (
        torch.cat([torch.from_numpy(part) for part in parts]) for parts in zip(*found, strict=True)
    )
    return logits, probabilities


def _images(export: Export) -> tuple[Tensor, str]:
    """Return the images (N, 28, 28), uint8, to check an export on, and what they are called."""
    name = str(export.provenance.get("dataset"))
    images = images_at_hand(name, data_root())
    if images is not None:
        return images, f"{len(images):,} test images of {name}"
    noise = torch.randint(0, 256, (NOISE, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return noise, f"{NOISE:,} images of noise, since those of {name} are not in {data_root()}"
