"""Digits drawn in every way come out as MNIST would have shown them."""

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageChops, ImageDraw
from torch import Tensor

from model.data import load_dataset
from model.image import load_digit
from model.picture import ImageError
from tests.model.drawings import Save, assert_alike, assert_as_mnist, noisy, seven

DATA = os.environ.get("DIGIT_SEARCH_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="DIGIT_SEARCH_DATA names no folder with MNIST")

pytestmark = pytest.mark.usefixtures("one_thread")


def test_dark_on_light_becomes_light_on_dark_in_a_centred_box(plain: Tensor) -> None:
    assert_as_mnist(plain)
    assert (plain > 128).float().mean() < 0.3


@pytest.mark.parametrize(
    "drawing",
    [
        {"ink": 255, "paper": 0},
        {"ink": 90, "paper": 140},
        {"mode": "RGB", "ink": (180, 60, 60), "paper": (60, 107, 133)},  # of equal brightness and equal sum
        {"mode": "RGB", "ink": (250, 240, 40), "paper": (255, 255, 255)},
        {"mode": "CMYK", "ink": (0, 0, 0, 255), "paper": (0, 0, 0, 0)},
        {"size": (800, 600), "at": (5, 470)},
        {"size": (150, 900), "at": (65, 30)},
        {"size": (2400, 100), "at": (2000, 10), "scale": 0.6},
        {"size": (3000, 2400), "at": (100, 200), "scale": 15},
        {"size": (60, 60), "at": (10, 5), "scale": 0.4},
    ],
    ids=lambda drawing: " ".join(f"{key}={value}" for key, value in drawing.items()),
)
def test_polarity_colour_place_size_and_aspect_ratio_do_not_matter(
    save: Save, plain: Tensor, drawing: dict[str, Any]
) -> None:
    name = "digit.jpg" if drawing.get("mode") == "CMYK" else "digit.png"
    assert_alike(load_digit(save(seven(**drawing), name)), plain)


@pytest.mark.parametrize("ink", [(0, 0, 0, 255), (255, 255, 255, 255), (200, 10, 10, 255)])
@pytest.mark.parametrize("tight", [False, True])
def test_ink_on_transparency(save: Save, plain: Tensor, ink: tuple[int, ...], tight: bool) -> None:
    image = seven(mode="RGBA", ink=ink, paper=(0, 0, 0, 0))
    assert_alike(load_digit(save(image.crop(image.getbbox()) if tight else image)), plain)


def test_a_card_with_transparent_surroundings(save: Save, plain: Tensor) -> None:
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    image.paste(seven(mode="RGBA", ink=(0, 0, 0, 255), paper=(255, 255, 255, 255)), (150, 50))
    assert_alike(load_digit(save(image)), plain)


def test_a_tight_stroke_on_transparency_is_ink(save: Save) -> None:
    image = Image.new("RGBA", (60, 100), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((25, 10, 34, 90), fill=(0, 0, 0, 255))
    assert (load_digit(save(image)) > 128).sum() == 20 * 2


def test_grain_artefacts_and_uneven_light_are_no_ink(save: Save, plain: Tensor) -> None:
    assert_alike(load_digit(save(noisy(seven(paper=220), 12))), plain)
    assert_alike(load_digit(save(seven(), "digit.jpg", quality=20)), plain)
    shade = Image.linear_gradient("L").resize((200, 200)).point(lambda value: 255 - value // 2)
    lit = Image.composite(shade, Image.new("L", (200, 200), 20), seven())
    assert_alike(load_digit(save(lit)), plain)


@pytest.mark.parametrize("inverted", [False, True])
def test_an_image_of_the_form_of_mnist_keeps_its_pixels(save: Save, plain: Tensor, inverted: bool) -> None:
    thin = (255 * (plain / 255) ** 2).to(torch.uint8)
    image = Image.fromarray((255 - thin if inverted else thin).numpy())
    assert torch.equal(load_digit(save(image)), thin)
    moved = load_digit(save(ImageChops.offset(image, 3, 0)))
    assert not torch.equal(moved, thin)  # prepared like any other
    assert_as_mnist(moved)


@needs_data
def test_images_of_mnist_come_out_as_they_are(save: Save) -> None:
    images = load_dataset("mnist", Path(str(DATA)), validation_images=10_000).val.images[:200]
    same = [torch.equal(load_digit(save(Image.fromarray(image.numpy()))), image) for image in images]
    assert sum(same) >= 199  # two of 10,000 have ink of 19 pixels


def test_normal_strokes_are_not_thickened(save: Save, plain: Tensor) -> None:
    bold = load_digit(save(seven((900, 900), at=(200, 100), scale=5), "bold.png"))
    assert_alike(bold, plain)


@pytest.mark.parametrize(("side", "width"), [(300, 1), (600, 1), (900, 1), (900, 2), (2900, 1)])
def test_hairlines_are_thickened_however_large_the_drawing(save: Save, side: int, width: int) -> None:
    thin = Image.new("L", (side, side), 255)
    corners = [(2 * side // 9, side // 9), (6 * side // 9, side // 9), (7 * side // 18, 8 * side // 9)]
    ImageDraw.Draw(thin).line(corners, fill=0, width=width)
    digit = load_digit(save(thin))
    assert_as_mnist(digit)
    assert (digit > 128).sum() > 30


def test_a_stroke_of_one_column_keeps_its_rows(save: Save) -> None:
    image = Image.new("L", (100, 700), 255)
    ImageDraw.Draw(image).rectangle((50, 20, 52, 680), fill=0)
    ImageDraw.Draw(image).rectangle((50, 100, 52, 300), fill=255)
    digit = load_digit(save(image))
    assert_as_mnist(digit)
    assert (digit > 128).any(dim=1).sum() < 18  # of 20: the gap is there


def test_only_ink_decides_the_centre(save: Save) -> None:
    image = Image.new("L", (100, 100), 255)
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((25, 10, 55, 20), fill=0)  # a heavy head
    drawing.rectangle((37, 20, 43, 90), fill=0)
    digit = load_digit(save(image))
    assert_as_mnist(digit)
    rows = (digit > 0).any(1).nonzero()
    assert int(rows.min()) + int(rows.max()) > 2 * 14  # so the box hangs below the middle


@pytest.mark.parametrize("size", [(1, 30_000), (300_000, 3), (40_000, 40), (2, 2), (1, 7)], ids=str)
def test_shapes_that_no_digit_has_end_well_too(save: Save, size: tuple[int, int]) -> None:
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).rectangle((size[0] // 3, size[1] // 3, size[0] // 2, size[1] // 2), fill=0)
    with contextlib.suppress(ImageError):
        assert load_digit(save(image)).shape == (28, 28)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (50, 50), 255),
        Image.new("RGBA", (50, 50), (0, 0, 0, 0)),
        Image.new("RGBA", (50, 50), (9, 9, 9, 99)),
        Image.new("L", (1, 1)),
        noisy(Image.new("L", (300, 300), 200), 6),
    ],
    ids=["white", "transparent", "translucent", "one pixel", "grain"],
)
def test_blank(save: Save, image: Image.Image) -> None:
    with pytest.raises(ImageError, match=r"digit\.png: no digit found, the picture is (blank|wholly transparent); "):
        load_digit(save(image))


@needs_data
def test_mnist_comes_through_nearly_unchanged(save: Save) -> None:
    from torchvision.datasets import MNIST

    images = MNIST(str(DATA), train=True).data[:200]
    digits = torch.stack([load_digit(save(Image.fromarray(image.numpy()))) for image in images])
    difference = (digits.float() - images.float()).abs().mean(dim=(1, 2)) / 255
    assert difference.mean() < 0.01
    assert difference.quantile(0.95) < 0.03


@needs_data
@pytest.mark.parametrize("path", sorted(Path(DATA or ".").glob("wild_digits/*.png")), ids=lambda path: path.stem)
def test_real_drawings_come_out_as_mnist_digits(path: Path) -> None:
    digit = load_digit(path)
    assert_as_mnist(digit)
    assert 20 <= (digit > 128).sum() <= 250
