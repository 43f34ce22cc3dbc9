"""Preparation of pictures: any picture of one digit becomes the 28x28 image that MNIST would have made of it.

A network knows its training images and little else, so a picture is prepared as they were. The steps, in order:
decode.py reads the file; ink.py takes off transparency, frames, paper and rules; marks.py finds the connected marks,
looks inside a sheet or a panel, and chooses those that are the digit; fit.py scales and centres them.
"""

from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.decode import ImageError, decode
from model.fit import fitted
from model.ink import (
    MIN_CONTRAST,
    Mask,
    NoDigitError,
    Values,
    box_of,
    contrast,
    flattened,
    is_soft,
    without_frame,
    without_shade,
)
from model.marks import Marks, digit_among, find_marks, sheet

DEEPEST = 3  # a digit on a sheet on a table, and one more
PALE = 0.3  # of the ink's strength: paler lines are rules, shadows or noise
FEW = 20  # pixels that may be blacker than the ink


def load_digit(path: Path) -> Tensor:
    """Return the digit in the picture at `path`, white on black as in MNIST: uint8 (28, 28).

    Raises: ImageError, and nothing else, for a file that cannot be read or that does not show one digit.
    """
    pixels = decode(path)
    try:
        return prepared(pixels)
    except NoDigitError as reason:
        raise ImageError(f"{path}: {reason}") from reason


def prepared(pixels: Values) -> Tensor:
    """Return the digit in RGBA pixels (H, W, 4), in [0, 1], as uint8 (28, 28). Raises: NoDigitError."""
    colours = flattened(pixels)
    for _ in range(DEEPEST):
        colours = without_frame(colours)
        ink, noise = contrast(colours)
        strong = _strong(ink, noise)
        if is_soft(ink, strong):
            colours = without_shade(colours)
            ink, noise = contrast(colours)
            strong = _strong(ink, noise)
        marks = find_marks(strong)
        inside = sheet(marks, colours)
        if inside is None:
            break
        colours = _within(colours, inside)
    digit = _alone(ink, noise, marks, digit_among(marks))
    return fitted(torch.from_numpy(digit))


def _strong(ink: Values, noise: float) -> Mask:
    """Return where ink (H, W) is strong, or goes on paler from there. Raises: NoDigitError where none stands out."""
    if noise > 0.01 and min(ink.shape) > 64:
        ink = ndimage.uniform_filter(ink, 3)  # the paper's grain has no neighbours
    few = min(FEW, ink.size // 2000 + 1)
    top = float(np.partition(ink.ravel(), -few)[-few])
    if top - noise < max(MIN_CONTRAST, 0.5 * noise):
        raise NoDigitError("no digit found, the picture is blank; use a digit that differs from its background")
    full = float(np.median(ink[ink > (noise + top) / 2]))
    marks, _ = ndimage.label(ink > noise + PALE * (full - noise), np.ones((3, 3)))
    strong = np.zeros(int(marks.max()) + 1, bool)
    strong[marks[ink > (noise + full) / 2]] = True
    strong[0] = False
    return np.asarray(strong[marks])


def _within(colours: Values, inside: Mask) -> Values:
    """Return the colours (H, W, 3) inside a sheet (a mask), cropped to it, its surroundings in the sheet's colour."""
    box = box_of(inside)
    inside, colours = inside[box], colours[box]
    rim = inside & ~ndimage.binary_erosion(inside, iterations=2)
    return np.asarray(np.where(inside[..., None], colours, np.median(colours[rim], axis=0)))


def _alone(ink: Values, noise: float, marks: Marks, digit: list[int]) -> Values:
    """Return the ink of the marks of the digit with their soft edges, cropped, in [0, 1]."""
    core = np.isin(marks.labels, digit)
    full = float(np.median(ink[core]))
    reach = max(2, round(0.02 * max(marks.labels.shape)))
    near = ndimage.maximum_filter(core, 2 * reach + 1)
    near &= core | (marks.labels == 0)
    alone = ((ink - noise) / (full - noise)).clip(0, 1) * near
    return np.ascontiguousarray(alone[box_of(alone > 0.1)])
