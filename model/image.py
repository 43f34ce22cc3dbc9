"""Preparation of pictures: any picture of one digit becomes the 28x28 image that MNIST would have made of it.

A network knows its training images and little else, so a picture is prepared as they were. The steps, in order:
picture.py takes what shows it, a path or an array, say; decode.py reads it; paper.py takes off frames and uneven light;
ink.py tells ink from paper and from printed lines; marks.py finds the connected marks, looks inside a sheet or a panel,
and chooses those that are the digit; fit.py scales and centres them. A picture that is as MNIST's images are already is
left as it is.
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from model.decode import decode
from model.fit import SIDE, fitted, is_fitted
from model.ink import NoDigitError, contrast, flattened, is_soft, strong_part
from model.marks import Marks, check_shape, digit_among, find_marks, sheet
from model.paper import Mask, Values, box_of, without_frame, without_shade
from model.picture import ImageError, Picture, Source, source_of

DEEPEST = 3  # a digit on a sheet on a table, and one more


def load_digit(picture: Picture) -> Tensor:
    """Return the digit in a picture, white on black as in MNIST: uint8 (28, 28).

    A picture is a path, bytes, an open file, an array or an image of Pillow's. Raises: ImageError for one that can't be
    read or that does not show one digit; TypeError for what is no picture.
    """
    return digit_of(source_of(picture))


def digit_of(source: Source) -> Tensor:
    """Return what `load_digit` does. Raises: ImageError, and nothing else."""
    pixels = decode(source)
    try:
        return prepared(pixels)
    except NoDigitError as reason:
        raise ImageError(f"{source.name}: {reason}") from reason


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
