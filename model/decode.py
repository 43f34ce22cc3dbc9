"""Decoding of picture files: the formats of one list, each checked first, within limits of time and memory."""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from model.limits import TURN, LimitError, bounded
from model.picture import ImageError, Source

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "PPM", "ICO")
MAX_PIXELS = 50_000_000
WORKING_PIXELS, WORKING_SIDE = 1_000_000, 10_000  # a larger picture shows no more in 20x20 and takes memory
MOST_FRAMES = 100  # of an animation, in which the first with ink is looked for
BLANK = 15  # of 255: a frame whose pixels differ by no more holds no ink
BITE = 4096  # bytes decoded at once: the time limit is checked between two bites


def decode(source: Source) -> NDArray[np.float32]:
    """Return a picture, upright, as RGBA (H, W, 4) in [0, 1], scaled to about WORKING_PIXELS at most.

    Raises: ImageError.
    """
    try:
        with TURN, _silence(), bounded():
            return _decoded(source)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{source.name}: has far more than {MAX_PIXELS:,} pixels; save a smaller picture") from error
    except LimitError as error:
        raise ImageError(f"{source.name}: {error}; save a smaller or simpler picture") from error
    except UnidentifiedImageError as error:  # whose text is the path again, or where in memory the file lies
        raise ImageError(f"{source.name}: not a readable picture; use {', '.join(FORMATS)}") from error
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{source.name}: not a readable picture ({reason}); use {', '.join(FORMATS)}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Silence stderr: libtiff writes its complaints straight to the terminal, a dozen lines for one damaged file."""
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nothing)


def _decoded(source: Source) -> NDArray[np.float32]:
    """Decode a picture, without limits. Raises ImageError, or whatever Pillow does on a damaged file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata does not concern the person who asks for the digit
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with _opened(source) as image:
            pixels = image.width * image.height
            if pixels == 0:
                raise ImageError(f"{source.name}: has no pixels; save the picture again")
            if pixels > MAX_PIXELS:
                raise ImageError(
                    f"{source.name}: has {pixels:,} pixels, more than {MAX_PIXELS:,}; save a smaller picture"
                )
            factor = _factor(image)
            image.draft(None, (image.width // factor, image.height // factor))  # JPEG can decode at a smaller scale
            frames = (_rgba(ImageOps.exif_transpose(_reduced(frame))) for frame in _frames(image))
            first = next(frames)
            upright = first if _varied(first) else next(filter(_varied, frames), first)
    return np.asarray(upright).astype(np.float32) / np.float32(255)


def _opened(source: Source) -> Image.Image:
    """Return the image of a source; one of Pillow's own is copied as it is shown, its other frames left alone."""
    match source.contents:
        case Image.Image() as image:
            return image.copy()
        case np.ndarray() as numbers:
            return Image.fromarray(_stretched(numbers))
        case file:
            image = Image.open(file, formats=FORMATS)
            image.decodermaxblock = BITE
            return image


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the frames of an animation, or the pages of a document; MOST_FRAMES at most."""
    for number in range(min(getattr(image, "n_frames", 1), MOST_FRAMES)):
        image.seek(number)
        yield image


def _varied(image: Image.Image) -> bool:
    """Return whether an RGBA picture is of more than one colour."""
    return any(high - low > BLANK for low, high in image.getextrema())  # type: ignore[misc]


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
        image = Image.fromarray(_stretched(np.asarray(image)))
    return image.convert("RGBA")


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return numbers (H, W) of any range as 0 to 255; what is no finite number becomes their median."""
    numbers = values.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    numbers[~finite] = np.median(numbers[finite])
    low, high = float(numbers.min()), float(numbers.max())
    if not low < high < math.inf or not math.isfinite(high - low):
        return np.zeros(values.shape, np.uint8)
    return np.asarray((numbers - low) * (255 / (high - low)), np.uint8)
