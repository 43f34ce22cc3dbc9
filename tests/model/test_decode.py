"""Pictures of every mode and format are read, upright; any other file gives one clear line."""

import contextlib
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from model.errors import one_line
from model.image import load_digit
from model.picture import MAX_BYTES, ImageError
from tests.model.drawings import Save, assert_alike, noisy, seven

pytestmark = pytest.mark.usefixtures("one_thread")


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


@pytest.mark.parametrize("name", ["digit.avif", "digit.ico", "digit.webp", "digit.ppm", "digit.bmp"])
def test_formats(save: Save, plain: Tensor, name: str) -> None:
    assert_alike(load_digit(save(seven(), name)), plain)


@pytest.mark.parametrize("name", ["digit.gif", "digit.png", "digit.webp", "digit.tif"])
def test_the_first_frame_with_ink_is_read(save: Save, plain: Tensor, name: str) -> None:
    blank, later = Image.new("L", (200, 200), 255), seven(at=(0, 40), scale=0.2)
    path = save(blank, name, save_all=True, append_images=[blank, seven(), later], duration=[100, 200, 300, 400])
    assert_alike(load_digit(path), plain)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_pixels_that_are_no_numbers_are_passed_over(save: Save, plain: Tensor, number: float) -> None:
    image = seven(mode="F", ink=3e4, paper=-20.0)
    image.putpixel((3, 3), number)
    assert_alike(load_digit(save(image, "digit.tif")), plain)


def test_an_alpha_channel_that_was_left_empty_is_ignored(save: Save, plain: Tensor) -> None:
    image = seven(mode="RGBA", ink=(0, 0, 0, 0), paper=(255, 255, 255, 0))
    assert_alike(load_digit(save(image)), plain)


def test_unusable_files_say_what_and_why(tmp_path: Path, save: Save) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("seven")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "cut.png").write_bytes(save(noisy(seven(), 50)).read_bytes()[:9000])
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    Image.new("1", (9000, 9000)).save(tmp_path / "wide.png")
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    save(seven(), "digit.tga")
    for name, why in {
        "none.png": "No such file",
        "empty.png": "empty",
        "text.png": "not a readable picture",
        "pipe.png": "not a regular file",
        "cut.png": "truncated",
        "huge.png": "bytes, more than",
        "wide.png": "81,000,000 pixels, more than",
        "bomb.png": "pixels",
        "digit.tga": "not a readable picture",
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
