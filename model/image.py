"""Preparation of pictures: any picture of one digit becomes the 28x28 image that MNIST would have made of it.

A network knows its training images and little else, so a picture is prepared as they were: the ink alone, scaled
into 20x20 with its aspect ratio kept, its centre of mass in the middle of 28x28 (LeCun et al., 1998).
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from model.decode import ImageError, decode

SIDE = 28
BOX = 20
FINE = 200  # the longer side of the ink where its strokes are measured and thickened
MIN_STROKE = 1.4  # of 20; nine MNIST digits of ten have wider strokes, half of them 1.9 or more
MIN_CONTRAST = 0.06  # of the way from black to white
DUST = 0.0005  # share of the pixels that may be blacker than the ink


def load_digit(path: Path) -> Tensor:
    """Return the digit in the picture at `path`, white on black as in MNIST: uint8 (28, 28).

    Ink is what differs from the picture's border, in whatever colour, or what is drawn on transparency.
    Raises: ImageError, and nothing else, for a file that cannot be read or that holds no ink.
    """
    ink = _without_specks(_ink(decode(path)))
    if not (ink > 0.5).any():
        raise ImageError(f"{path}: no ink found, the picture is blank; use a digit that differs from its background")
    return _centred(_fitted(_thickened(_cropped(ink, ink > 0.1))))


def _ink(pixels: Tensor) -> Tensor:
    """Return how much ink each pixel of RGBA (H, W, 4) holds: (H, W) in [0, 1], all zeros for a blank picture."""
    alpha = pixels[..., 3]
    if alpha.max() == 0:
        return alpha
    alpha = alpha / alpha.max()
    visible = _cropped(torch.cat([pixels[..., :3], alpha[..., None]], dim=-1), alpha > 0.5)
    if (_border(visible[..., 3]) > 0.5).float().mean() > 0.5:
        ink = _contrast(visible[..., :3]) * visible[..., 3]
        if ink.any() or alpha.min() > 0.5:
            return ink
    # Drawn on transparency: the opaque pixels, dark or light, are the ink.
    return _contrast(F.pad(alpha, (1, 1, 1, 1))[..., None])


def _contrast(values: Tensor) -> Tensor:
    """Return the distance of each pixel (H, W, C) from the background, less its noise: (H, W) in [0, 1].

    Colours are compared as vectors: red on a green of the same brightness is as good as black on white.
    """
    difference = values - _background(values)
    distance = difference.square().mean(dim=-1).sqrt()
    edge = _border(distance)
    middle = edge.median()
    noise = middle + 3 * 1.4826 * (edge - middle).abs().median()  # three standard deviations of a Gaussian
    top = distance.flatten().kthvalue(math.ceil((1 - DUST) * distance.numel())).values
    if top - noise < max(MIN_CONTRAST, 0.5 * float(noise)):
        return torch.zeros_like(distance)
    full = distance[distance > (noise + top) / 2].median()
    ink = ((distance - noise) / (full - noise)).clamp(0, 1)
    direction = difference[ink > 0.5].mean(dim=0)
    return ink * (difference @ direction > 0)  # halos of JPEG and sharpening lie on the background's far side


def _background(values: Tensor) -> Tensor:
    """Return the colour that each pixel (H, W, C) would have without ink, estimated from the border: (H, W, C).

    Light may fall off sideways. The estimate is a bilinear surface of least absolute deviations, by reweighted least
    squares: like the median, it does not mind that strokes run into the border here and there.
    """
    height, width, _ = values.shape
    row = torch.linspace(-1, 1, height)[:, None].expand(height, width)
    column = torch.linspace(-1, 1, width).expand(height, width)
    terms = torch.stack([torch.ones(height, width), row, column, row * column], dim=-1)
    known, seen = _border(terms), _border(values)
    weight = torch.ones(len(known), 1)
    for _ in range(20):
        surface = torch.linalg.lstsq(known * weight.sqrt(), seen * weight.sqrt()).solution
        weight = 1 / (seen - known @ surface).norm(dim=-1, keepdim=True).clamp(min=1e-3)
    background: Tensor = terms @ surface
    return background


def _border(values: Tensor) -> Tensor:
    """Return the outermost pixels of (H, W) or (H, W, C): (N,) or (N, C)."""
    return torch.cat([values[0], values[-1], values[:, 0], values[:, -1]])


def _without_specks(ink: Tensor) -> Tensor:
    """Return ink (H, W) without specks: soft edges stay, as they lie near strong ink; the paper's grain goes."""
    height, width = ink.shape
    block = max(1, max(ink.shape) // 14)
    together = F.avg_pool2d(ink[None, None], 3, stride=1, padding=1)[0, 0] > 0.1
    coarse = F.max_pool2d((ink * together > 0.5).float()[None, None], block, ceil_mode=True)[0, 0]
    near = _widened(coarse, 3)[torch.arange(height)[:, None] // block, torch.arange(width) // block]
    return ink * together * near


def _widened(ink: Tensor, width: int) -> Tensor:
    """Return the maximum over squares of `width` (odd) pixels, (H, W) to (H, W); by rows, then columns, for speed."""
    rows = F.max_pool2d(ink[None, None], (width, 1), stride=1, padding=(width // 2, 0))
    return F.max_pool2d(rows, (1, width), stride=1, padding=(0, width // 2))[0, 0]


def _cropped(values: Tensor, mask: Tensor) -> Tensor:
    """Return values (H, W) or (H, W, C) cropped to the box around the true pixels of `mask` (H, W)."""
    rows = mask.any(dim=1).nonzero()
    columns = mask.any(dim=0).nonzero()
    return values[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]


def _thickened(ink: Tensor) -> Tensor:
    """Return ink (H, W) with hairlines widened to a thin MNIST stroke; in 20x20 they would all but vanish."""
    fine = _scaled(ink, FINE)
    typical = fine[fine > 0.1 * fine.max()].median()
    if max(ink.shape) > FINE and typical < 0.5:  # lines of one pixel among a thousand are pale by now
        fine = (fine / typical).clamp(max=1)
    strong = F.pad((fine > min(0.5, 0.9 * float(fine.max()))).float(), (1, 1, 1, 1))  # a lone grey dot counts too
    inner = 1 - _widened(1 - strong, 3)
    width = 2 * strong.sum() / (strong - inner).sum()  # a long stroke has area w * l and 2 * l pixels of outline
    missing = math.ceil((MIN_STROKE * FINE / BOX - float(width)) / 2)
    if missing < 1:
        return ink
    return _widened(F.pad(fine, (missing,) * 4), 2 * missing + 1)


def _fitted(ink: Tensor) -> Tensor:
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
    centre = float((mass * torch.arange(len(mass))).sum() / mass.sum())
    return min(max(round(SIDE / 2 - centre), 0), SIDE - len(mass))
