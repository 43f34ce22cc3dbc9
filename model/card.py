"""The card of an export folder, model.json, believed only where SHA256SUMS agrees. Free of torch, for reports."""

import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.errors import InputError
from model.files import digest, flush_names, read_file, write_atomically
from model.hyperparameters import Hyperparameters

FILES = ("mnist_cnn.pt", "mnist_cnn.py", "model.json", "test_predictions.csv")  # the files that SHA256SUMS lists,
NOVELTY, INSIGHT = "novelty.pt", "insight.json"  # and these, where the card has `novelty` and `insight`
MAX_SUMS_BYTES, MAX_CARD_BYTES = 10_000, 1_000_000
MAX_BYTES = 5_000_000_000  # the weights of the largest network that the hyperparameters allow
REMEDY = "name an export folder that is whole, or write this one again: python -m search confirm RUN_DIR"


class ExportError(InputError):
    """Raised for an export folder that cannot be used; the text is one line: where, what is wrong (`fault`), remedy."""

    def __init__(self, fault: str, remedy: str = REMEDY) -> None:
        super().__init__(f"{fault}; {remedy}")
        self.fault = fault


class Normalisation(BaseModel):
    """The mean and standard deviation, of pixels in [0, 1], that normalise an image."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    mean: float
    std: float = Field(gt=0)


class ModelCard(BaseModel):
    """The contents of model.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    hyperparameters: Hyperparameters
    classes: list[str] = Field(min_length=10, max_length=10)
    normalisation: Normalisation
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)  # log-probabilities are divided by it
    novelty: bool = False
    insight: bool = False
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    num_parameters: int


def read_card(folder: Path) -> ModelCard:
    """Return the card of an export. Raises: ExportError where it is missing, damaged or not the one in SHA256SUMS."""
    text = read_verified(folder, "model.json", MAX_CARD_BYTES)
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "contents"
        raise ExportError(
            f"{where_it_lies(folder) / 'model.json'}: {where}: {' '.join(first['msg'].split())}"
        ) from error


def read_whole(folder: Path) -> ModelCard:
    """Return the card of an export after checking every file of it. Raises: ExportError."""
    card = read_card(folder)
    for name in (*FILES, *([NOVELTY] if card.novelty else []), *([INSIGHT] if card.insight else [])):
        read_verified(folder, name)
    return card


def read_verified(folder: Path, name: str, limit: int = MAX_BYTES) -> bytes:
    """Return the contents of the file `name` of an export, at most `limit` bytes. Raises: ExportError."""
    folder = where_it_lies(folder)
    contents = _read(folder / name, limit)
    if _line(name, contents) not in _read(folder / "SHA256SUMS", MAX_SUMS_BYTES).splitlines():
        raise ExportError(f"{folder / name}: damaged or changed: SHA256SUMS beside it holds no such SHA-256 for it")
    return contents


def add_file(folder: Path, name: str, contents: bytes) -> Path:
    """Write one more file into an export, with its line in SHA256SUMS, and return its path. Raises: OSError."""
    folder = where_it_lies(folder)
    lines = _read(folder / "SHA256SUMS", MAX_SUMS_BYTES).splitlines()
    others = [line for line in lines if not line.endswith(f"  {name}".encode())]
    write_atomically(folder / name, contents)
    write_atomically(folder / "SHA256SUMS", b"".join(line + b"\n" for line in [*others, _line(name, contents)]))
    return folder / name


def sums(files: dict[str, bytes]) -> bytes:
    """Return the contents of SHA256SUMS for these files, as `sha256sum -c` reads it."""
    return b"".join(_line(name, contents) + b"\n" for name, contents in files.items())


def where_it_lies(folder: Path) -> Path:
    """Return the path under which the export `folder` is found: its own, or the one where it was set aside.

    A replacement takes two renames, and a kill may come between them.
    """
    aside = set_aside(folder)
    return aside if aside.exists() and not folder.exists() else folder


def set_aside(folder: Path) -> Path:
    """Return the path of the older export while a newer one takes its place."""
    folder = folder.absolute()
    return folder.parent / f".{folder.name}.old"


def in_the_making(folder: Path) -> Path:
    """Return the path of a newer export before it takes its place."""
    folder = folder.absolute()
    return folder.parent / f".{folder.name}.new"


def replace_by_newer(folder: Path) -> None:
    """Replace the export `folder` by the one in the making if that is whole; else put the older one back.

    After a kill, a second call completes the replacement, so that the test images need not be scored again. Only the
    holder of the run's lock may call it.
    """
    new, old = in_the_making(folder), set_aside(folder)
    if _is_whole(new):
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        new.rename(folder)
        flush_names(folder.parent)
    elif old.exists() and not folder.exists():
        old.rename(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Return whether every file of the export is as it was written."""
    try:
        read_whole(folder)
    except ExportError:
        return False
    return True


def _line(name: str, contents: bytes) -> bytes:
    """Return the line of SHA256SUMS for one file."""
    return f"{digest(contents)}  {name}".encode()


def _read(path: Path, limit: int) -> bytes:
    """Return the contents of a file of at most `limit` bytes. Raises: ExportError."""
    try:
        return read_file(path, limit)
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror})") from error
