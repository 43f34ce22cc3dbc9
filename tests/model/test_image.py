"""Pictures drawn in every way come out as MNIST would have shown them; whatever else comes in is one clear line."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from model.decode import MAX_BYTES, ImageError
from model.errors import one_line
from model.image import BOX, load_digit

DATA = os.environ.get("DIGIT_SEARCH_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="DIGIT_SEARCH_DATA names no folder with MNIST")

Save = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(image: Image.Image, name: str = "digit.png", **options: Any) -> Path:
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def seven(
    size: tuple[int, int] = (200, 200), at: tuple[int, int] = (60, 40), scale: float = 1.0, mode: str = "L",
    ink: Any = 0, paper: Any = 255, width: int = 14,
) -> Image.Image:  # fmt: skip
    """A 7 of 80x120 pixels times `scale` with its top left corner at `at`."""
    image = Image.new(mode, size, paper)
    corners = [(0, 0), (80, 0), (30, 120)]
    line = [(at[0] + scale * x, at[1] + scale * y) for x, y in corners]
    ImageDraw.Draw(image).line(line, fill=ink, width=round(width * scale), joint="curve")
    return image


def assert_as_mnist(digit: Tensor) -> None:
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
    assert_as_mnist(digit)
    difference = float((digit.float() - other.float()).abs().mean()) / 255
    assert difference <= tolerance, f"mean difference {difference:.3f}"


@pytest.fixture
def plain(save: Save) -> Tensor:
    return load_digit(save(seven(), "plain.png"))


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


@pytest.mark.parametrize("mode", ["1", "P", "I", "F", "I;16", "LA"])
def test_modes(save: Save, plain: Tensor, mode: str) -> None:
    if mode == "I;16":
        image = Image.new("I;16", (200, 200))
        image.paste(seven().convert("I").point(lambda value: value * 100 + 9000).convert("I;16"))
    else:
        image = seven().convert(mode)
    assert_alike(load_digit(save(image, "digit.gif" if mode == "P" else "digit.tif")), plain)


@pytest.mark.parametrize("name", ["digit.jpg", "digit.png", "digit.webp", "digit.tif"])
@pytest.mark.parametrize(("orientation", "turn"), [(6, Image.Transpose.ROTATE_90), (3, Image.Transpose.ROTATE_180)])
def test_exif_rotation(save: Save, plain: Tensor, name: str, orientation: int, turn: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_alike(load_digit(save(seven().transpose(turn), name, exif=exif)), plain)


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width)
    grain = torch.randn(values.shape, generator=torch.Generator().manual_seed(0)) * sigma
    return Image.frombytes("L", image.size, (values + grain).clamp(0, 255).byte().numpy().tobytes())


def test_grain_artefacts_and_uneven_light_are_no_ink(save: Save, plain: Tensor) -> None:
    assert_alike(load_digit(save(noisy(seven(paper=220), 12))), plain)
    assert_alike(load_digit(save(seven(), "digit.jpg", quality=20)), plain)
    shade = Image.linear_gradient("L").resize((200, 200)).point(lambda value: 255 - value // 2)
    lit = Image.composite(shade, Image.new("L", (200, 200), 20), seven())
    assert_alike(load_digit(save(lit)), plain)


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
    with pytest.raises(ImageError, match=r"digit\.png: no ink found.*; use"):
        load_digit(save(image))


def test_unusable_files_say_what_and_why(tmp_path: Path, save: Save) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("seven")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "cut.png").write_bytes(save(noisy(seven(), 50)).read_bytes()[:9000])
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    Image.new("1", (9000, 9000)).save(tmp_path / "wide.png")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    save(seven(), "digit.ico")
    for name, why in {
        "none.png": "No such file",
        "empty.png": "empty",
        "text.png": "not a readable picture",
        "pipe.png": "not a regular file",
        "cut.png": "truncated",
        "huge.png": "bytes, more than",
        "wide.png": "81,000,000 pixels, more than",
        "bomb.png": "pixels",
        "digit.ico": "not a readable picture",
        ".": "folder",
        "a\0b": "null",
    }.items():
        with pytest.raises(ImageError, match=why) as caught:
            load_digit(tmp_path / name)
        assert str(caught.value).startswith(one_line(f"{tmp_path / name}: "))
        assert ";" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_decoders_own_complaints_do_not_reach_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seven().save(tmp_path / "digit.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "digit.tif").read_bytes())
    content[300:340] = b"\xff" * 40
    (tmp_path / "digit.tif").write_bytes(content)
    with pytest.raises(ImageError):
        load_digit(tmp_path / "digit.tif")
    assert capfd.readouterr() == ("", "")
    os.write(2, b"seen again")
    assert capfd.readouterr().err == "seen again"


def test_damaged_files_raise_nothing_else(tmp_path: Path, save: Save) -> None:
    generator = torch.Generator().manual_seed(0)
    for name in ("digit.png", "digit.jpg", "digit.gif", "digit.tif", "digit.bmp", "digit.webp"):
        whole = save(seven(), name).read_bytes()
        for _ in range(12):
            damaged = bytearray(whole)
            for place in torch.randint(4, len(damaged), (4,), generator=generator).tolist():
                damaged[place] = int(torch.randint(256, (1,), generator=generator))
            path = tmp_path / "damaged"
            path.write_bytes(damaged)
            with contextlib.suppress(ImageError):
                assert load_digit(path).shape == (28, 28)


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
