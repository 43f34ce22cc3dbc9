"""Fitting: ink becomes a 28x28 image as MNIST's were made, scaled into 20x20, its centre of mass in the middle."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 28
BOX = 20
WHITE = 254
FINE = 200  # the longer side of the ink where its strokes are measured and thickened
MIN_STROKE = 1.4  # of 20; nine MNIST digits of ten have wider strokes, half of them 1.9 or more


def fitted(ink: Tensor) -> Tensor:
    """Return ink (H, W) in [0, 1], without empty edges, as MNIST would show it: uint8 (28, 28) (LeCun et al., 1998)."""
    return _centred(_boxed(_thickened(ink)))


def is_fitted(image: Tensor) -> bool:
    """Return whether an image (28, 28), 0 where there is no ink, has the form that MNIST's images have.

    Their brightest pixel is 254 or 255, their longer side of ink 20 (in 9,998 of 10,000), and the centre of mass is in
    the middle.
    """
    if int(image.max()) < WHITE:
        return False
    lines = [image.sum(dim=along) for along in (0, 1)]
    sides = [int(torch.nonzero(line).max() - torch.nonzero(line).min()) + 1 for line in lines]
    return max(sides) == BOX and all(abs(SIDE / 2 - _centre(line)) <= 0.5 for line in lines)


def _widened(ink: Tensor, width: int) -> Tensor:
    """Return the maximum over squares of `width` (odd) pixels, (H, W) to (H, W); by rows, then columns, for speed."""
    rows = F.max_pool2d(ink[None, None], (width, 1), stride=1, padding=(width // 2, 0))
    return F.max_pool2d(rows, (1, width), stride=1, padding=(0, width // 2))[0, 0]


def _thickened(ink: Tensor) -> Tensor:
    """Return ink (H, W) with hairlines widened to a thin MNIST stroke; in 20x20 they would all but vanish."""
    fine = _scaled(ink, FINE)
    typical = fine[fine > 0.1 * fine.max()].median()
    if max(ink.shape) > FINE and typical < 0.5:  # lines of one pixel among a thousand are pale by now
        fine = (fine / typical).clamp(max=1)
    strong = F.pad(fine > min(0.5, 0.9 * float(fine.max())), (1, 1, 1, 1))  # a lone grey dot counts too
    area = int(strong.sum())
    width = 2 * area / (area - _inner_area(strong))  # a long stroke has area w * l and 2 * l pixels of outline
    missing = math.ceil((MIN_STROKE * FINE / BOX - width) / 2)
    if missing < 1:
        return ink
    return _widened(F.pad(fine, (missing,) * 4), 2 * missing + 1)


def _inner_area(mask: Tensor) -> int:
    """Return how many pixels of a mask (H, W) have all their eight neighbours in it."""
    rows = mask[:-2] & mask[1:-1] & mask[2:]
    return int((rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).sum())


def _boxed(ink: Tensor) -> Tensor:
    """Return ink (H, W) scaled into 20x20, its darkest pixel 1."""
    small = _scaled(ink, BOX)
    return small / small.max()


def _scaled(ink: Tensor, side: int) -> Tensor:
    """Return ink (H, W) scaled to a longer side of `side` pixels, the aspect ratio kept."""
    longer = max(ink.shape)
    size = [max(1, round(length * side / longer)) for length in ink.shape]
    if size[1] == 1 < size[0]:  # torch 2.15 would make all rows of a single column alike
        return _scaled(ink.T.contiguous(), side).T
    return F.interpolate(ink[None, None], size, mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _centred(ink: Tensor) -> Tensor:
    """Return ink of up to 20x20 as uint8 (28, 28), its centre of mass in the middle."""
    image = torch.zeros(SIDE, SIDE)
    height, width = ink.shape
    top = _start(ink.sum(dim=1))
    left = _start(ink.sum(dim=0))
    image[top : top + height, left : left + width] = ink
    return (image * 255).round().to(torch.uint8)


def _start(mass: Tensor) -> int:
    """Return where a line of pixels (N,) must begin so that its centre of mass falls on the middle of SIDE."""
    return min(max(round(SIDE / 2 - _centre(mass)), 0), SIDE - len(mass))


def _centre(mass: Tensor) -> float:
    """Return the centre of mass of a line of pixels (N,), 0 for its first."""
    return float((mass * torch.arange(len(mass))).sum() / mass.sum())
