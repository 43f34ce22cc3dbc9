"""Decoding of picture files: seven formats, each checked before it is decoded, within limits of time and memory."""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from model.errors import InputError
from model.files import check_file
from model.limits import LimitError, bounded

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000
WORKING_PIXELS, WORKING_SIDE = 1_000_000, 10_000  # a larger picture shows no more in 20x20 and takes memory
BITE = 4096  # bytes decoded at once: the time limit is checked between two bites


class ImageError(InputError):
    """Raised for a file that shows no digit; the text is one line that names the file, what is wrong and the remedy."""


def decode(path: Path) -> Tensor:
    """Return the picture at `path`, upright, as RGBA (H, W, 4) in [0, 1], scaled to about WORKING_PIXELS at most.

    Raises: ImageError.
    """
    _check_file(path)
    try:
        with bounded(), _silence():
            return _decoded(path)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path}: has far more than {MAX_PIXELS:,} pixels; save a smaller picture") from error
    except LimitError as error:
        raise ImageError(f"{path}: {error}; save a smaller or simpler picture") from error
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: not a readable picture ({reason}); use {', '.join(FORMATS)}") from error


def _check_file(path: Path) -> None:
    """Raise ImageError unless `path` is a readable file of at most MAX_BYTES that is not empty."""
    try:
        check_file(path, MAX_BYTES)
        empty = path.stat().st_size == 0
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "name the pictures in it" if isinstance(error, IsADirectoryError) else "name a picture in a file"
        raise ImageError(f"{path}: {reason}; {remedy}") from error
    if empty:
        raise ImageError(f"{path}: is empty (0 bytes); save the picture again")


@contextmanager
def _silence() -> Iterator[None]:
    """Silence stderr: libtiff writes its complaints straight to the terminal, a dozen lines for one damaged file."""
    terminal = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nothing)


def _decoded(path: Path) -> Tensor:
    """Decode the picture at `path`, without limits. Raises ImageError, or whatever Pillow does on a damaged file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata does not concern the person who asks for the digit
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise ImageError(f"{path}: has {pixels:,} pixels, more than {MAX_PIXELS:,}; save a smaller picture")
            image.decodermaxblock = BITE
            factor = _factor(image)
            image.draft(None, (image.width // factor, image.height // factor))  # JPEG can decode at a smaller scale
            upright = _rgba(ImageOps.exif_transpose(_reduced(image)))
    values = torch.frombuffer(bytearray(upright.tobytes()), dtype=torch.uint8)
    return values.view(upright.height, upright.width, 4).float() / 255


def _factor(image: Image.Image) -> int:
    """Return the factor, 1 or more, by which the picture may be made smaller."""
    area = math.sqrt(image.width * image.height / WORKING_PIXELS)
    return max(1, math.ceil(area), math.ceil(max(image.size) / WORKING_SIDE))


def _reduced(image: Image.Image) -> Image.Image:
    """Return the picture made smaller by its factor, averaging pixels."""
    factor = _factor(image)
    if factor == 1:
        return image
    if image.mode not in ("L", "RGB", "CMYK") or "transparency" in image.info:
        image = _rgba(image)  # indices and colour keys cannot be averaged
    return image.reduce(factor)


def _rgba(image: Image.Image) -> Image.Image:
    """Return the picture as RGBA; the range of 16 and 32 bits is stretched to 8."""
    if image.mode.startswith(("I", "F")):  # scanners and cameras seldom use the whole range of 16 and 32 bits
        low, high = (float(extreme) for extreme in image.getextrema())  # type: ignore[arg-type]
        scale = 255 / (high - low) if high > low else 0.0
        image = image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    return image.convert("RGBA")
