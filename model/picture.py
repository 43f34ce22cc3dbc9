"""Pictures as people hold them: a path, bytes, an open file, an array or an image of Pillow's, each with a name."""

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import InputError, summary
from model.files import check_file

MAX_BYTES = 50_000_000
Picture = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[Any]
FILES = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
# How the names of files end that model.decode reads, in lower case.
SUFFIXES = {
    ".apng", ".avif", ".avifs", ".bmp", ".gif", ".ico", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pfm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
NO_PICTURE = "a picture is a path, bytes, an open binary file, an image of Pillow's or an array, not {}"
SHAPES = "give uint8 (H, W), (H, W, 3) or (H, W, 4), or other numbers (H, W)"


class ImageError(InputError):
    """Raised for a file that shows no digit; the text is one line that names the file, what is wrong and the remedy."""


@dataclass(frozen=True)
class Source:
    """What messages call a picture, and its contents: a file to open, an image of Pillow's, or numbers (H, W)."""

    name: str
    contents: Path | IO[bytes] | Image.Image | NDArray[Any]


def name_of(picture: Picture, unnamed: str) -> str:
    """Return what messages call a picture: its path or its file's, else `unnamed`."""
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    name = getattr(picture, "filename" if isinstance(picture, Image.Image) else "name", None)
    return name if isinstance(name, str) and name else unnamed


def source_of(picture: Picture, unnamed: str = "picture") -> Source:
    """Return the source of a picture; `unnamed` is its name where it has none.

    Raises: ImageError for a file that can't be read; TypeError for what is no picture.
    """
    name = name_of(picture, unnamed)
    if isinstance(picture, str | os.PathLike):
        _check_file(Path(picture))
        return Source(name, Path(picture))
    if isinstance(picture, Image.Image):
        return Source(name, picture)
    if isinstance(picture, bytes | bytearray | memoryview):
        return Source(name, _in_memory(bytes(picture), name))
    if hasattr(picture, "read"):
        return Source(name, _in_memory(_read(cast(IO[bytes], picture), name), name))
    if hasattr(picture, "__array__"):
        try:
            values = np.asarray(picture)
        except (RuntimeError, ValueError) as error:  # a tensor on a GPU, or one that wants gradients
            raise TypeError(f"an array that can't be read is no picture ({summary(error)}); {SHAPES}") from error
        return Source(name, _from_array(values))
    raise TypeError(NO_PICTURE.format(type(picture).__name__))


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder, known by the endings of their names, by name; none where it can't be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    except OSError:  # among them all that is no folder
        return []


def pictures_of(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    """Return one picture, or many, as a list. Raises: TypeError for what is neither."""
    if isinstance(pictures, FILES) or hasattr(pictures, "read") or hasattr(pictures, "__array__"):
        return [cast(Picture, pictures)]
    if not isinstance(pictures, Iterable):
        raise TypeError(NO_PICTURE.format(type(pictures).__name__))
    return list(pictures)


def _check_file(path: Path) -> None:
    """Raise ImageError unless `path` is a readable file of at most MAX_BYTES that is not empty."""
    try:
        check_file(path, MAX_BYTES)
        empty = path.stat().st_size == 0
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "name a picture in a file"
        if isinstance(error, IsADirectoryError):
            remedy = "name the pictures in it" if pictures_in(path) else "name one with pictures in it"
        raise ImageError(f"{path}: {reason}; {remedy}") from error
    if empty:
        raise ImageError(f"{path}: is empty (0 bytes); save the picture again")


def _read(file: IO[bytes], name: str) -> bytes:
    """Return the contents of an open file. Raises: ImageError; TypeError for one that is open as text."""
    try:
        contents = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # it is closed, or open for writing
        raise ImageError(f"{name}: can't be read ({summary(error)}); open it with mode 'rb'") from error
    if isinstance(contents, str):
        raise TypeError(f"{name}: is open as text; open it with mode 'rb'")
    return bytes(contents or b"")


def _in_memory(contents: bytes, name: str) -> IO[bytes]:
    """Return the contents of a file as one to read. Raises: ImageError where there are too many, or none."""
    if len(contents) > MAX_BYTES:
        raise ImageError(f"{name}: has more than {MAX_BYTES:,} bytes; save a smaller picture")
    if not contents:
        raise ImageError(f"{name}: is empty (0 bytes); save the picture again")
    return io.BytesIO(contents)


def _from_array(values: NDArray[Any]) -> Image.Image | NDArray[Any]:
    """Return an array as an image of Pillow's, or as it is where its range must be stretched. Raises: TypeError."""
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    colours = values.ndim == 3 and values.shape[2] in (3, 4)
    if not values.size or not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise TypeError(f"an array of {values.dtype} of shape {values.shape} is no picture; {SHAPES}")
    if values.dtype == np.uint8 and (values.ndim == 2 or colours):
        return Image.fromarray(values)
    if values.ndim == 2:
        return values
    raise TypeError(f"an array of {values.dtype} of shape {values.shape} is no picture; {SHAPES}")
