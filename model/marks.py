"""Marks: the connected components of ink, and which of them are the digit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.ink import NoDigitError
from model.paper import Mask, Values, box_of, farthest

TOGETHER = np.ones((3, 3))  # pixels that meet at a corner belong together
SPECK = 0.03  # of the largest mark's area
MOST_MARKS = 100  # the largest ones; the rest are specks
SMALLEST_SHEET = 60  # pixels of the picture: in a smaller one a bold 0 looks like a sheet with a stroke
SHEET_SHARE = 0.04  # of the picture's area
MOST_DIGITS = 10  # side by side; more marks of like size are a pattern
MOST_HOLES = 9  # far more than digits have: an 8 has two, and outlines of strokes close some more
MOST_OUTLINE = 3.2  # of the outline of the box: far more than digits have, outlines of strokes come near
REMEDY = "use a picture of one digit, drawn clearly"
RECTANGLE = 0.88  # share of its box that a rectangle fills; an ellipse fills 0.785


@dataclass(frozen=True)
class Marks:
    """Connected components: `labels` (H, W) counts them from 1, the largest first; the boxes and areas are (K,)."""

    labels: NDArray[np.int32]
    area: Values
    top: Values
    bottom: Values
    left: Values
    right: Values

    @property
    def height(self) -> Values:
        return self.bottom - self.top

    @property
    def width(self) -> Values:
        return self.right - self.left

    def touching(self) -> Values:
        """Return how many sides of the picture each mark touches (K,)."""
        height, width = self.labels.shape
        sides = (self.top == 0, self.left == 0, self.bottom == height, self.right == width)
        return np.asarray(np.sum(sides, axis=0))


def find_marks(ink: Mask) -> Marks:
    """Return the marks of ink (H, W), specks left out."""
    found, count = ndimage.label(ink, TOGETHER)
    area = np.bincount(found.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-area, kind="stable")[:MOST_MARKS]
    order = order[area[order] >= SPECK * area.max(initial=0)]
    renumbered = np.zeros(count + 1, np.int32)
    renumbered[order + 1] = np.arange(1, len(order) + 1)
    labels = renumbered[found]
    boxes = ndimage.find_objects(labels)
    edges = np.array([(b[0].start, b[0].stop, b[1].start, b[1].stop) for b in boxes]).reshape(-1, 4).T
    return Marks(labels, area[order], *edges)


def sheet(marks: Marks, colours: Values) -> Mask | None:
    """Return the inside (H, W) of a mark that is a sheet, a panel or a drawn frame with something in it, or None."""
    boxes = marks.height * marks.width
    if min(marks.labels.shape) < SMALLEST_SHEET:
        return None
    for index in np.flatnonzero(boxes >= SHEET_SHARE * marks.labels.size):
        mark = marks.labels == index + 1
        filled = ndimage.binary_fill_holes(mark)
        if filled.sum() < 0.4 * boxes[index] or _rectangularity(filled) < RECTANGLE:
            continue
        solid = mark.sum() > 0.5 * filled.sum()
        inside = ndimage.binary_erosion(filled if solid else filled & ~mark, iterations=3)
        if not inside.any():
            continue
        distance = farthest(colours, np.median(colours[inside], axis=0))
        content, count = ndimage.label(inside & (distance > 0.15), TOGETHER)
        if count and _longest_side(content == np.bincount(content.ravel())[1:].argmax() + 1) > 0.15 * max(
            marks.height[index], marks.width[index]
        ):
            return np.asarray(inside)
    return None


def _longest_side(mask: Mask) -> int:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(max(np.ptp(rows), np.ptp(columns))) + 1


def _rectangularity(mask: Mask) -> float:
    """Return the largest share of a rectangle, at any angle, that a mask (H, W) fills when it is drawn around it."""
    edge = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    edge = edge[:: max(1, len(edge) // 500)]
    angles = np.deg2rad(np.arange(0, 90, 3))
    turned = edge @ np.array([np.cos(angles), np.sin(angles)]), edge @ np.array([-np.sin(angles), np.cos(angles)])
    areas = (np.ptp(turned[0], axis=0) + 1) * (np.ptp(turned[1], axis=0) + 1)
    return float(mask.sum() / areas.min())


def digit_among(marks: Marks) -> list[int]:
    """Return the labels of the marks that make up the digit.

    The digit is the largest mark that does not merely run along the border, with what lies close to it.
    Raises: NoDigitError where as large marks stand beside it.
    """
    alone = _candidates(marks)
    main = int(alone[np.argmax(marks.area[alone])])
    size = max(marks.height[main], marks.width[main])
    chosen, apart = [main], []
    for other in alone[alone != main]:
        across = _gap(marks.left, marks.right, main, other)
        down = _gap(marks.top, marks.bottom, main, other)
        large = marks.height[other] >= 0.5 * marks.height[main]
        if large and (across > 0.06 * size or down > 0.25 * size):
            apart.append(int(other))
        elif max(across, down) < (0.25 if across > 0 else 0.6) * size:
            chosen.append(int(other))
    if len(apart) >= MOST_DIGITS:
        raise NoDigitError(f"no digit found, but {len(apart) + 1} marks of like size; {REMEDY}")
    if apart:
        raise NoDigitError(f"more than one digit ({len(apart) + 1}); cut the picture into one per digit")
    return [index + 1 for index in chosen]


def check_shape(digit: Mask) -> None:
    """Raise NoDigitError where a fitted digit (28, 28) has more lines than digits have: noise, texture, a tangle."""
    ink = np.pad(digit, 1)
    holes = ndimage.label(~ink)[1] - 1
    outline = int((ink[1:] != ink[:-1]).sum() + (ink[:, 1:] != ink[:, :-1]).sum())
    rows, columns = box_of(ink)
    box = 2 * (rows.stop - rows.start + columns.stop - columns.start)
    if holes > MOST_HOLES or outline > MOST_OUTLINE * box:
        raise NoDigitError(f"no digit found, but a pattern of more lines than a digit has; {REMEDY}")


def _candidates(marks: Marks) -> NDArray[np.int64]:
    """Return the marks that may be a digit: those within the picture, or all where none of some size is."""
    inner = np.flatnonzero(marks.touching() == 0)
    longest = np.maximum(marks.height, marks.width)
    if len(inner) and longest[inner].max() >= 0.25 * longest.max():
        return inner
    return np.arange(len(longest))


def _gap(start: Values, stop: Values, one: int, other: int) -> float:
    """Return the pixels between two marks along an axis, negative where they overlap."""
    return float(max(start[one], start[other]) - min(stop[one], stop[other]))
