"""Drawing tools for benchmark pictures: strokes from MNIST digits, paper, and the files that hold them."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Values = NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True)
class Picture:
    """A picture with the format to save it in, and how many digits it shows."""

    image: Image.Image
    suffix: str = "png"
    options: dict[str, Any] = field(default_factory=dict)
    digits: int = 1

    def save(self, folder: Path, name: str) -> Path:
        """Save the picture below `folder` and return its path."""
        path = folder / f"{name}.{self.suffix}"
        if self.suffix == "bmp":
            path.write_bytes(bitmap_of_32_bits(self.image))
        else:
            self.image.save(path, **self.options)
        return path


def bitmap_of_32_bits(image: Image.Image) -> bytes:
    """Return a BMP of 32 bits per pixel whose header names an alpha channel that was left 0, as some programs do."""
    pixels = image.convert("RGB").transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGRX", 0, 1)
    blank = bytes(byte if number % 4 < 3 else 0 for number, byte in enumerate(pixels))
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, *image.size, 1, 32, 3, len(blank), 2835, 2835, 0, 0) + masks + bytes(52)
    return struct.pack("<2sIII", b"BM", 14 + len(head) + len(blank), 0, 14 + len(head)) + head + blank


def strokes(digit: Values, side: int, width: float = 0.0) -> Values:
    """Return the ink of an MNIST digit (28, 28), in [0, 1], drawn at (side, side) with the sharp edges of a pen.

    `width` widens (or, negative, narrows) the strokes, by so many MNIST pixels on each side.
    """
    if side <= 28 and not width:
        return np.asarray(Image.fromarray(np.float32(digit)).resize((side, side), Image.Resampling.LANCZOS)).clip(0, 1)
    middle = min(side, 280)
    large = np.asarray(Image.fromarray(np.float32(digit)).resize((middle, middle), Image.Resampling.BICUBIC))
    inside = large > 0.5
    distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    scale = side / middle
    distance = np.asarray(Image.fromarray(np.float32(distance)).resize((side, side), Image.Resampling.BICUBIC))
    return np.asarray((distance + width * middle / 28) * scale / 1.5 + 0.5, dtype=float).clip(0, 1)


def hairline(digit: Values, side: int, thickness: int) -> Values:
    """Return the ink of a digit's middle line, `thickness` pixels wide, at (side, side)."""
    from PIL import ImageDraw

    line = thinned(strokes(digit, 112) > 0.5)
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    scale = side / 112
    for row, column in np.argwhere(line):
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            if line[row + down, column + right]:
                ends = [(column, row), (column + right, row + down)]
                pen.line([(scale * (x + 0.5), scale * (y + 0.5)) for x, y in ends], fill=255, width=thickness)
    return np.asarray(image) / 255


def thinned(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the middle line of ink (H, W), one pixel wide (Zhang and Suen, 1984)."""
    ink = np.pad(ink, 1)
    while True:
        before = ink.copy()
        for first in (True, False):
            ring = [np.roll(ink, place, (0, 1)) for place in
                    ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))]  # fmt: skip
            count = sum(part.astype(int) for part in ring)
            changes = sum((~ring[i] & ring[(i + 1) % 8]).astype(int) for i in range(8))
            up, right, down, left = ring[0], ring[2], ring[4], ring[6]
            open_sides = (
                ~(up & right & down) & ~(right & down & left) if first else ~(up & right & left) & ~(up & down & left)
            )
            ink = ink & ~((count >= 2) & (count <= 6) & (changes == 1) & open_sides)
        if (ink == before).all():
            return np.asarray(ink[1:-1, 1:-1])


def placed(ink: Values, height: int, width: int, top: int, left: int) -> Values:
    """Return a page (height, width) of ink that holds `ink` with its corner at (top, left); what lies off is cut."""
    page = np.zeros((height, width))
    rows, columns = ink.shape
    up, across = max(0, -top), max(0, -left)
    down, along = min(rows, height - top), min(columns, width - left)
    page[top + up : top + down, left + across : left + along] = ink[up:down, across:along]
    return page


def cropped(ink: Values, margin: int = 0) -> Values:
    """Return ink (H, W) cropped to what is darker than half, with a margin of empty pixels."""
    rows, columns = np.nonzero(ink.max(axis=1) > 0.5)[0], np.nonzero(ink.max(axis=0) > 0.5)[0]
    return np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], margin)


def mixed(ink: Values, pen: Any, paper: Any) -> Values:
    """Return the colours (H, W, 3) in [0, 1] of `pen` on `paper`: colours, or whole pictures (H, W, 3), in [0, 1]."""
    return np.asarray(ink[..., None] * np.asarray(pen) + (1 - ink[..., None]) * np.asarray(paper))


def grey(level: float) -> tuple[float, float, float]:
    return (level, level, level)


def picture(colours: Values, suffix: str = "png", **options: Any) -> Picture:
    """Return a picture of values (H, W) or colours (H, W, 3) in [0, 1]."""
    stored = (colours.clip(0, 1) * 255).round().astype(np.uint8)
    return Picture(Image.fromarray(stored), suffix, options)


def smooth(random: Random, height: int, width: int, cells: int) -> Values:
    """Return smooth random values (height, width) in [0, 1], with about `cells` hills along each side."""
    coarse = Image.fromarray(np.float32(random.random((cells + 2, cells + 2))))
    values = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    return np.asarray((values - values.min()) / (np.ptp(values) or 1))
