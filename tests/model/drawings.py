"""Drawn digits for tests, and the check that a prepared digit looks as in MNIST."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from model.fit import BOX

Save = Callable[..., Path]


def seven(
    size: tuple[int, int] = (200, 200), at: tuple[int, int] = (60, 40), scale: float = 1.0, mode: str = "L",
    ink: Any = 0, paper: Any = 255, width: int = 14,
) -> Image.Image:  # fmt: skip
    """Return a drawing of a 7, of 80x120 pixels times `scale` with its top left corner at `at`."""
    image = Image.new(mode, size, paper)
    corners = [(0, 0), (80, 0), (30, 120)]
    line = [(at[0] + scale * x, at[1] + scale * y) for x, y in corners]
    ImageDraw.Draw(image).line(line, fill=ink, width=round(width * scale), joint="curve")
    return image


def draw_line(path: Path, slant: int = 0) -> str:
    """Draw one line, as of a 1, save it as a PNG file, whatever its name, and return its path."""
    image = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(image).line((50 - slant, 10, 50 + slant, 90), fill=0, width=8)
    image.save(path, format="png")
    return str(path)


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """Return a grey picture with Gaussian noise of `sigma` grey levels."""
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width)
    grain = torch.randn(values.shape, generator=torch.Generator().manual_seed(0)) * sigma
    return Image.frombytes("L", image.size, (values + grain).clamp(0, 255).byte().numpy().tobytes())


def assert_as_mnist(digit: Tensor) -> None:
    """Assert that a digit (28, 28) fills MNIST's box of 20 pixels, its centre of mass in the middle."""
    assert digit.shape == (28, 28)
    assert digit.dtype == torch.uint8
    assert digit.max() == 255
    rows, columns = (digit > 0).any(1).nonzero(), (digit > 0).any(0).nonzero()
    longest = max(int(rows.max() - rows.min()), int(columns.max() - columns.min())) + 1
    assert BOX - 1 <= longest <= BOX
    mass, position = digit.double(), torch.arange(28)
    for axis in (0, 1):
        assert abs(float((mass.sum(axis) * position).sum() / mass.sum()) - 14) <= 0.6


def assert_alike(digit: Tensor, other: Tensor, tolerance: float = 0.04) -> None:
    """Assert that two digits (28, 28) differ by at most `tolerance` of the full range on average."""
    assert_as_mnist(digit)
    difference = float((digit.float() - other.float()).abs().mean()) / 255
    assert difference <= tolerance, f"mean difference {difference:.3f}"
