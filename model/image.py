"""Preparation of pictures: any picture of one digit becomes the 28x28 image that MNIST would have made of it.

A network knows its training images and little else, so a picture is prepared as they were. The steps, in order:
decode.py reads the file; paper.py takes off frames and uneven light; ink.py tells ink from paper and from printed
lines; marks.py finds the connected marks, looks inside a sheet or a panel, and chooses those that are the digit;
fit.py scales and centres them. A picture that is as MNIST's images are already is left as it is.
"""

from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.decode import ImageError, decode
from model.fit import SIDE, fitted, is_fitted
from model.ink import NoDigitError, contrast, flattened, is_soft, strong_part
from model.marks import Marks, check_shape, digit_among, find_marks, sheet
from model.paper import Mask, Values, box_of, without_frame, without_shade

DEEPEST = 3  # a digit on a sheet on a table, and one more


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
    if colours.shape[:2] == (SIDE, SIDE) and (image := _grey(colours)) is not None and is_fitted(image):
        return image
    for _ in range(DEEPEST):
        colours = without_frame(colours)
        ink, noise = contrast(colours)
        strong = strong_part(ink, noise)
        if is_soft(ink, strong):
            colours = without_shade(colours)
            ink, noise = contrast(colours)
            strong = strong_part(ink, noise)
        marks = find_marks(strong)
        inside = sheet(marks, colours)
        if inside is None:
            break
        colours = _within(colours, inside)
    digit = fitted(torch.from_numpy(_alone(ink, noise, marks, digit_among(marks))))
    check_shape(digit.numpy() > 110)
    return digit


def _grey(colours: Values) -> Tensor | None:
    """Return colours (H, W, 3) as grey levels, uint8 (H, W), white paper made black; None where they are not grey."""
    if np.ptp(colours, axis=2).any():
        return None
    levels = torch.from_numpy((255 * colours[..., 0]).round().astype(np.uint8))
    return 255 - levels if levels[0, 0] == 255 else levels


def _within(colours: Values, inside: Mask) -> Values:
    """Return the colours (H, W, 3) inside a sheet (a mask), cropped to it, its surroundings in the sheet's colour."""
    box = box_of(inside)
    inside, colours = inside[box], colours[box]
    rim = inside & ~ndimage.binary_erosion(inside, iterations=2)
    return np.asarray(np.where(inside[..., None], colours, np.median(colours[rim], axis=0)))


def _alone(ink: Values, noise: float, marks: Marks, digit: list[int]) -> Values:
    """Return the ink of the marks of the digit with their soft edges, cropped, in [0, 1]."""
    core = np.isin(marks.labels, digit)
    full = float(np.quantile(ink[core], 0.8))
    reach = max(2, round(0.02 * max(marks.labels.shape)))
    near = ndimage.maximum_filter(core, 2 * reach + 1)
    near &= core | (marks.labels == 0)
    alone = ((ink - noise) / (full - noise)).clip(0, 1) * near
    return np.ascontiguousarray(alone[box_of(alone > 0.1)])
