"""Ink: how much each pixel of a picture differs from its paper, whatever the colours and the lines printed on it."""

import numpy as np
from scipy import ndimage

from model.paper import SAMPLES, Mask, Values, border, box_of, farthest, paper_of

MIN_CONTRAST = 0.06  # of the way from black to white
RULE_SHARE = 0.03  # of the picture's side: a thicker line may be a stroke
PALE = 0.3  # of the ink's strength: paler lines are rules, shadows or noise
FEW = 20  # pixels that may be blacker than the ink


class NoDigitError(Exception):
    """Raised for a picture that shows no digit, or several; the text says why and names a remedy."""


def flattened(pixels: Values) -> Values:
    """Return the colours (H, W, 3) of RGBA pixels (H, W, 4), in [0, 1], without transparency.

    What is drawn on transparency comes out dark on white. Raises: NoDigitError where all is transparent.
    """
    colours, alpha = pixels[..., :3], pixels[..., 3]
    if alpha.max() == 0:
        if np.ptp(colours, axis=(0, 1)).max() < MIN_CONTRAST:
            raise NoDigitError("no digit found, the picture is wholly transparent; save it without transparency")
        return colours  # a program that writes four channels and leaves the fourth unused
    if alpha.min() == 1:
        return colours
    alpha = alpha / alpha.max()
    box = box_of(alpha > 0.5)
    colours, visible = colours[box], alpha[box]
    opaque = visible > 0.5
    if (border(visible) > 0.5).mean() > 0.5 and np.ptp(colours[opaque], axis=0).max() >= MIN_CONTRAST:
        paper = np.median(border(colours)[border(opaque)], axis=0)
        return np.asarray(np.where(opaque[..., None], colours, paper))
    if opaque.all() and opaque.size == alpha.size:
        return colours  # equally translucent everywhere
    return np.repeat(1 - np.pad(alpha, 1)[..., None], 3, axis=2)


def contrast(colours: Values) -> tuple[Values, float]:
    """Return each pixel's distance from the paper (H, W), rules left out, and the paper's noise, both in [0, 1].

    Colours are compared as vectors: red on a green of the same brightness is as good as black on white.
    """
    difference = colours - paper_of(colours)
    distance = np.sqrt(np.square(difference).mean(axis=2))
    edge = border(distance)
    middle = float(np.median(edge))
    noise = middle + 3 * 1.4826 * float(np.median(np.abs(edge - middle)))  # three standard deviations of a Gaussian
    distance = distance.astype(np.float32)
    for turn in (0, 1):
        turned = _without_rules(np.rot90(difference, turn), np.rot90(distance, turn), noise)
        distance = np.ascontiguousarray(np.rot90(turned, -turn))
    if not distance.any():
        return distance, noise
    direction = difference[distance > distance.max() / 2].mean(axis=0)
    return distance * (difference @ direction >= 0), noise  # halos of JPEG and sharpening lie on the far side


def _without_rules(difference: Values, distance: Values, noise: float) -> Values:
    """Return the distance (H, W) without printed lines: thin rows of one colour that run from side to side.

    Where ink goes on above and below a line, it is put in.
    """
    height = len(distance)
    if height < 40:
        return distance
    level = max(MIN_CONTRAST, noise)
    typical = np.median(difference, axis=1)
    strength = np.linalg.norm(typical, axis=1) / np.sqrt(3)
    candidates = strength > level / 2
    candidates[[0, -1]] = False
    if not candidates.any():
        return distance
    alike = farthest(difference, typical[:, None]) < np.minimum(level + 0.05, strength / 2)[:, None]
    rules = candidates & alike[:, 0] & alike[:, -1] & (alike.mean(axis=1) > 0.55)
    result = distance.copy()
    for run in ndimage.find_objects(ndimage.label(rules)[0]):
        start, stop = run[0].start, run[0].stop
        beside = alike[[max(0, start - 2), min(height - 1, stop + 1)]].mean(axis=1)
        if stop - start > max(3, RULE_SHARE * height) or beside.max() > 0.4:  # a stroke's edge is less straight
            continue
        start, stop = max(1, start - 1), min(height - 1, stop + 1)  # soft edges
        above, below = (ndimage.maximum_filter1d(distance[row], 3) for row in (start - 1, stop))
        result[start:stop] = np.minimum(above, below)
    return result


def is_soft(ink: Values, strong: Mask) -> bool:
    """Return whether the strong part of ink (H, W) fades away slowly, as shade does and strokes do not."""
    if min(ink.shape) < 64:
        return False
    edge = np.argwhere(strong & ~ndimage.binary_erosion(strong, border_value=1))
    reach = max(3, max(ink.shape) // 60)
    rows, columns = edge[:: max(1, len(edge) // SAMPLES)].T
    lowest = np.min([ink[np.clip(rows + down, 0, len(ink) - 1), np.clip(columns + along, 0, ink.shape[1] - 1)]
                     for down in (-reach, 0, reach) for along in (-reach, 0, reach)], axis=0)  # fmt: skip
    return bool((lowest > 0.5 * ink[rows, columns]).mean() > 0.2)


def strong_part(ink: Values, noise: float) -> Mask:
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
