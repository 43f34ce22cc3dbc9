"""MNIST's files under whatever names people keep them: recognised by their contents, gzipped or not."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from model.files import digest, read_file

MAX_BYTES = 100_000_000  # twice MNIST's largest file
MOST_FILES = 1000  # of a folder that are looked at
GZIP = b"\x1f\x8b"
IMAGES, LABELS = 2051, 2049  # the first number of an IDX file of images, and of one of labels
PARTS = {60_000: "train", 10_000: "test"}
STARTS = {struct.pack(">II", magic, count) for magic in (IMAGES, LABELS) for count in PARTS}
BEGINNING = 2**16  # bytes of a file, and of what is zipped in them, in which its start is looked for
# SHA-256 of MNIST's four files, unzipped. By shape alone Fashion-MNIST and KMNIST are the same.
OF_MNIST = {
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def read(path: Path) -> Tensor:
    """Return the values, uint8, of an IDX file of images (N, 28, 28) or labels (N,). Raises: ValueError."""
    try:
        contents = read_file(path, MAX_BYTES)
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror}") from error
    if not _shape(contents):
        raise ValueError(f"{path.name}, of {len(contents):,} bytes, is not a whole file of 28x28 images or of labels")
    return _values(contents)


def find(name: str, raw: Path, root: Path) -> dict[str, Tensor] | None:
    """Return the images (N, 28, 28) and labels (N,), uint8, of the data set `name`; None where one of four is absent.

    The keys are "train images", "train labels", "test images" and "test labels". They are looked for in `raw`, where
    torchvision keeps them, in the folder around it, and in `root` itself, where only MNIST's own files count.
    """
    for folder, genuine in ((raw, False), (raw.parent, False), (root, True)):
        if (name == "mnist" or not genuine) and (found := _find_in(folder, genuine)):
            return found
    return None


def _find_in(folder: Path, genuine: bool) -> dict[str, Tensor] | None:
    """Return what `find` does, of one folder. With `genuine`, files of other data sets of MNIST's shape don't count."""
    found: dict[str, bytes] = {}
    for path in alike(folder):
        try:
            contents = _unzipped(read_file(path, MAX_BYTES))
        except (OSError, zlib.error):
            continue
        role = role_of(contents)
        if role is None or (genuine and digest(contents) not in OF_MNIST):
            continue
        if found.setdefault(role, contents) != contents:
            return None  # files of two data sets, and nothing says which of them belong together
    return {role: _values(contents) for role, contents in found.items()} if len(found) == 2 * len(PARTS) else None


def role_of(contents: bytes) -> str | None:
    """Return what the contents of a file are: "train images", say; None where they are none of MNIST's four."""
    count, *sides = _shape(contents) or (0,)
    return f"{PARTS[count]} {'images' if sides else 'labels'}" if count in PARTS else None


def _shape(contents: bytes) -> tuple[int, ...] | None:
    """Return the shape of an IDX file, (N, 28, 28) or (N,); None where it is no such file, or not a whole one."""
    if len(contents) < 8:
        return None
    magic, count = struct.unpack(">II", contents[:8])
    if magic == LABELS and len(contents) == 8 + count:
        return (count,)
    sides = struct.pack(">II", 28, 28)
    if magic == IMAGES and contents[8:16] == sides and len(contents) == 16 + count * 28 * 28:
        return count, 28, 28
    return None


def alike(folder: Path) -> Iterator[Path]:
    """Yield the files in `folder`, of its first MOST_FILES, that begin as one of MNIST's four does, zipped or not."""
    try:
        entries = sorted(folder.iterdir())[:MOST_FILES]
    except OSError:
        return
    for path in entries:
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                start = _unzipped(file.read(BEGINNING), BEGINNING)[:8]
        except (OSError, zlib.error):
            continue
        if start in STARTS:
            yield path


def _unzipped(contents: bytes, most: int = MAX_BYTES) -> bytes:
    """Return contents unzipped, once or twice, `most` bytes of them at most. Raises: zlib.error."""
    for _ in range(2):
        if contents[:2] == GZIP:
            contents = zlib.decompressobj(wbits=31).decompress(contents, most)
    return contents


def _values(contents: bytes) -> Tensor:
    """Return the values of a whole IDX file of images or labels."""
    shape = _shape(contents)
    assert shape
    header = 4 + 4 * len(shape)
    return torch.frombuffer(bytearray(contents[header:]), dtype=torch.uint8).view(shape)
