"""Paper: what a picture shows besides ink, namely its frame, its light, and the colour of its paper."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]

FRAME_SHARE = 0.25  # of the picture's side: a wider band is no frame
BLOCKS = 32  # along the longer side, where uneven light is measured
SAMPLES = 400  # of the border's pixels, which say what the paper looks like


def without_frame(colours: Values) -> Values:
    """Return colours (H, W, 3) without a frame: bands of one colour along two or more sides of the picture."""
    for _ in range(3):  # a frame may have a frame
        middles = {tuple(np.median(np.rot90(colours, turn)[0], axis=0).tolist()) for turn in range(4)}
        boxes = [box for middle in sorted(middles) if (box := _within_frame(colours, np.array(middle)))]
        if not boxes:
            break
        colours = colours[boxes[0]]
    return colours


def _within_frame(colours: Values, frame: Values) -> tuple[slice, slice] | None:
    """Return the box that is left without the outer rows and columns of colour `frame`, or None where it is no frame.

    The paper round a digit is of one colour too. A frame's colour is not that of what is within.
    """
    alike = farthest(colours, frame) < 0.1
    height, width = alike.shape
    if alike.mean() > 0.8:
        return None
    depth = [max(5, round(FRAME_SHARE * side)) for side in (height, width)]
    top = left = 0
    bottom, right = height, width
    for _ in range(2):  # again, as corners of a frame count for neither side
        inner = alike[top:bottom, left:right]
        up, down = _bands(inner.mean(axis=1))
        inner = inner[up : len(inner) - down]
        across, along = _bands(inner.mean(axis=0))
        top, bottom, left, right = top + up, bottom - down, left + across, right - along
    bands = (top, height - bottom, left, width - right)
    if sum(band > 0 for band in bands) < 2 or max(bands[:2]) > depth[0] or max(bands[2:]) > depth[1]:
        return None
    content = colours[top:bottom, left:right]
    if min(content.shape[:2]) < 8 or alike[top:bottom, left:right].mean() > 0.5:
        return None
    ring = border(content)
    within = np.median(ring, axis=0)
    if (farthest(ring, within) < 0.15).mean() < 0.6 or np.abs(within - frame).max() < 0.1:
        return None
    return slice(top, bottom), slice(left, right)


def farthest(colours: Values, others: Values) -> Values:
    """Return by how much each of the colours (..., 3) differs from the other in the channel that differs most."""
    difference = np.abs(colours - others)
    # Four times as fast as max(axis=-1).
    return np.asarray(np.maximum(np.maximum(difference[..., 0], difference[..., 1]), difference[..., 2]))


def _bands(shares: Values) -> tuple[int, int]:
    """Return how many lines at both ends are of one colour; `shares` (N,) says how much of each line is."""
    others = np.flatnonzero(shares < 0.9)
    return (int(others[0]), len(shares) - 1 - int(others[-1])) if len(others) else (0, 0)


def paper_of(colours: Values) -> Values:
    """Return the colour that each pixel (H, W, 3) would have without ink, estimated from the border.

    Light may fall off sideways. The estimate is a bilinear surface of least absolute deviations, by reweighted least
    squares: like the median, it does not mind that strokes run into the border here and there.
    """
    height, width, _ = colours.shape
    row, column = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(row), row, column, row * column], axis=-1)
    seen, known = border(colours, depth=max(1, min(height, width) // 40)), border(terms)
    step = max(1, len(seen) // SAMPLES)
    seen, known = seen[::step], known[::step].astype(np.float64)
    common, spread = _commonest(seen)
    if spread < 1 / 255:
        return np.broadcast_to(common, colours.shape)
    weight = np.ones(len(known))
    for _ in range(20):
        weighted = known * weight[:, None]
        surface = np.linalg.lstsq(weighted.T @ known, weighted.T @ seen, rcond=None)[0]
        distance = np.linalg.norm(seen - known @ surface, axis=1)
        weight = 1 / distance.clip(1e-3)
    if spread < np.median(distance) + 0.02:  # a surface that is bent by strokes fits few pixels well
        return np.broadcast_to(common, colours.shape)
    return np.asarray(terms @ surface.astype(np.float32))


def _commonest(colours: Values) -> tuple[Values, float]:
    """Return the commonest of colours (N, 3), roughly, and the median of all distances from it."""
    rough, place = np.unique((colours * 7.99).astype(np.int64) @ (64, 8, 1), return_inverse=True)
    common = np.median(colours[place == np.bincount(place, minlength=len(rough)).argmax()], axis=0)
    return common, float(np.median(np.linalg.norm(colours - common, axis=1)))


def without_shade(colours: Values) -> Values:
    """Return colours (H, W, 3) as under even light; for pictures whose light bends more than a surface can follow.

    The paper's brightness is that of coarse blocks, after strokes are closed over.
    """
    height, width, _ = colours.shape
    block = max(1, max(height, width) // BLOCKS)
    rows, columns = height // block, width // block
    blocks = colours[: rows * block, : columns * block].reshape(rows, block, columns, block, 3)
    coarse = np.median(blocks.swapaxes(1, 2).reshape(rows, columns, -1, 3), axis=2)
    bright = float(np.median(coarse)) > 0.3
    closed = (ndimage.grey_closing if bright else ndimage.grey_opening)(coarse, (9, 9, 1))
    light = ndimage.gaussian_filter(closed, (1, 1, 0))
    place = [np.arange(side)[:, None] / block - 0.5 + 0.5 / block for side in (height, width)]
    places = np.broadcast_arrays(place[0], place[1].T)
    shade = [ndimage.map_coordinates(light[..., band], places, order=1, mode="nearest") for band in range(3)]
    paper = np.stack(shade, axis=-1).astype(np.float32)
    return np.asarray((colours / paper.clip(0.02) if bright else 1 + colours - paper).clip(0, 2))


def border(values: Values, depth: int = 1) -> Values:
    """Return the outermost pixels of (H, W) or (H, W, C), or medians over some `depth`: (N,) or (N, C)."""
    if depth > 1:
        sides = (values[:depth], values[-depth:], values[:, :depth].swapaxes(0, 1), values[:, -depth:].swapaxes(0, 1))
        return np.concatenate([np.median(side, axis=0) for side in sides])
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def box_of(mask: Mask) -> tuple[slice, slice]:
    """Return the box around the true pixels of a mask (H, W)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
