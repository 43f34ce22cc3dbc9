"""Damaged, renamed or harmful pictures give a digit or one clear line, soon and in little memory."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from PIL import Image

from model.classify import classify
from model.decode import FORMATS
from model.export import read_export
from model.image import load_digit
from model.picture import ImageError
from tests.fuzz.mutation import INPUTS, every_input, mutated_bytes
from tests.fuzz.survival import assert_clear, survived

# How to save: a file per format and way of storing pixels, in a mode where it is not plain grey.
WAYS: list[dict[str, Any]] = [
    *({"format": "PNG", "mode": mode} for mode in ("L", "RGBA", "P", "1", "I;16")),
    {"format": "JPEG", "mode": "RGB"}, {"format": "JPEG", "mode": "CMYK"}, {"format": "JPEG", "progressive": True},
    {"format": "JPEG", "exif": True}, {"format": "BMP", "mode": "RGB"}, {"format": "BMP", "mode": "P"},
    {"format": "GIF"}, {"format": "GIF", "save_all": True}, {"format": "TIFF"}, {"format": "TIFF", "mode": "F"},
    {"format": "TIFF", "compression": "tiff_lzw"}, {"format": "TIFF", "compression": "tiff_deflate", "mode": "RGBA"},
    {"format": "TIFF", "compression": "jpeg", "mode": "RGB"}, {"format": "TIFF", "compression": "group4", "mode": "1"},
    {"format": "WEBP", "mode": "RGB"}, {"format": "WEBP", "lossless": True, "exif": True},
    {"format": "WEBP", "mode": "RGB", "save_all": True},
    *({"format": "PPM", "mode": mode} for mode in ("L", "1", "RGB")),
    *({"format": form} for form in ("ICO", "TGA", "PCX", "PDF", "EPS")), {"format": "ICNS", "mode": "RGBA"},
]  # fmt: skip
ENDINGS = [(ending, mend) for ending in (".png", ".jpg", ".tif", ".gif", "") for mend in (True, True, False)]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
OTHERS = [
    b"<svg><path d='M0 0'/></svg>",
    b"P2\n3 3\n9\n0 9 0\n0 9 0\n0 9 0\n",
    b"seven",
    b"\0" * 1000,
    b"PK\3\4" + b"\0" * 99,
]


def stored(image: Image.Image, way: dict[str, Any]) -> bytes:
    """Return the file of a picture saved in one of WAYS."""
    options = {"mode": "L", **way}
    image = image.convert(options.pop("mode"))
    if options.pop("exif", False):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    if options.get("save_all"):
        options["append_images"] = [image.rotate(9), image.rotate(19)]
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def plain(image: Image.Image, form: str) -> bytes:
    return stored(image, {"format": form})


@st.composite
def pictures(draw: DrawFn, originals: list[bytes]) -> tuple[str, bytes]:
    """Draw a damaged picture under a name of any format, most with checksums that fit."""
    content = mutated_bytes(draw, draw(st.sampled_from(originals)))
    ending, mend = draw(st.sampled_from(ENDINGS))
    return f"picture{ending}", mended(content) if mend else content


def test_mutated_pictures(seven: Image.Image, whole_export: Path, tmp_path: Path) -> None:
    originals = [stored(seven, way) for way in WAYS] + OTHERS
    export = read_export(whole_export)
    found: list[bool] = []

    @every_input
    @given(pictures(originals))
    def test(picture: tuple[str, bytes]) -> None:
        path = tmp_path / picture[0]
        path.write_bytes(picture[1])
        with survived(ImageError, "picture", path):
            prediction = classify([path], export)[0]
            found.append(prediction.error is None)
            if prediction.error:
                assert_clear(prediction.error, "picture", path)
            else:
                assert sum(prediction.probabilities or []) == pytest.approx(1)

    test()
    assert len(found) >= INPUTS
    assert 0 < sum(found) < INPUTS


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(map(str, way.values())))
def test_whole_pictures_are_what_their_content_says(seven: Image.Image, tmp_path: Path, way: dict[str, Any]) -> None:
    path = tmp_path / "renamed.bin"
    path.write_bytes(stored(seven, way))
    if way["format"] in FORMATS:
        assert load_digit(path).shape == (28, 28)
    else:
        with pytest.raises(ImageError, match="not a readable picture"):
            load_digit(path)


def mended(content: bytes) -> bytes:
    """Return a picture with the right checksum in every PNG chunk, so that decoders read on past them."""
    if not content.startswith(SIGNATURE):
        return content
    chunks, rest = [SIGNATURE], content[len(SIGNATURE) :]
    while len(rest) >= 12:
        length = int.from_bytes(rest[:4])
        chunks.append(chunk(rest[4:8], rest[8 : 8 + length]))
        rest = rest[12 + length :]
    return b"".join(chunks)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, pixels: bytes, *before: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return SIGNATURE + head + b"".join(before) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def passes(seven: Image.Image, count: int) -> bytes:
    """Return a progressive JPEG of 7000x7000 whose last pass, of 75 bytes, is repeated `count` times."""
    jpeg = stored(Image.new("L", (7000, 7000), 200), {"format": "JPEG", "progressive": True})
    start, end = jpeg.rfind(b"\xff\xda"), jpeg.rfind(b"\xff\xd9")
    return jpeg[:start] + jpeg[start:end] * count + jpeg[end:]


def tiff(*entries: tuple[int, int]) -> bytes:
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + tags + b"\0" * 4 + b"\0" * 100


def webp(canvas: int) -> bytes:
    size = struct.pack("<I", canvas - 1)[:3]
    frame = b"ANMF" + struct.pack("<I", 40) + b"\0" * 40
    body = (
        b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size + size + b"ANIM" + struct.pack("<I", 6) + b"\0" * 6
    )
    return b"RIFF" + struct.pack("<I", len(body + frame)) + body + frame


ZEROS = zlib.compress(bytes(50_000_001), 9)
BOMBS: dict[str, Callable[[Image.Image], bytes]] = {
    "png 60,000 x 60,000": lambda _: png(60_000, 60_000, ZEROS),
    "png largest": lambda _: png(2**31 - 1, 2**31 - 1, b""),
    "png text": lambda _: png(9, 9, zlib.compress(bytes(90)), chunk(b"zTXt", b"a\0\0" + ZEROS)),
    "png profile": lambda _: png(9, 9, zlib.compress(bytes(90)), chunk(b"iCCP", b"a\0\0" + ZEROS)),
    "png more pixels than it says": lambda _: png(9, 9, ZEROS),
    "png one row": lambda _: png(50_000_000, 1, ZEROS),
    "png one column": lambda _: png(1, 25_000_000, ZEROS),
    "png just allowed": lambda _: png(7000, 7000, ZEROS),
    "jpeg 65,500 x 65,500": lambda seven: plain(seven, "JPEG").replace(b"\0\x40\0\x30", b"\xff\xdc" * 2),
    "jpeg of 1,000 passes": lambda seven: passes(seven, 1000),
    "gif 65,535 x 65,535": lambda seven: b"GIF89a\xff\xff\xff\xff" + plain(seven, "GIF")[10:],
    "gif frame": lambda seven: plain(seven, "GIF").replace(b",\0\0\0\0\x30\0\x40\0", b"," + b"\0\0\xff\xff" * 2),
    "bmp": lambda seven: plain(seven, "BMP")[:18] + b"\xff\xff\xff\x7f" * 2 + plain(seven, "BMP")[26:],
    "tiff": lambda _: tiff((256, 2**31), (257, 2**31), (258, 8), (259, 1), (262, 1), (273, 8), (279, 2**32 - 1)),
    "tiff tile": lambda _: tiff((256, 99), (257, 99), (259, 5), (322, 2**30), (323, 2**30), (324, 8), (325, 9)),
    "tiff loop": lambda _: b"II*\0" + struct.pack("<IHI", 8, 0, 8) + b"\0" * 20,
    "webp 16,384 x 16,384": lambda _: webp(16_384),
    "webp 2**24 x 255": lambda _: webp(2**24),
    "ppm": lambda _: b"P6 999999999 999999999 255\n",
    "ppm number": lambda _: b"P6 " + b"9" * 1_000_000,
    "ppm remark": lambda _: b"P5\n#" + b"a" * 3_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_ask_for_much(seven: Image.Image, tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name](seven))
    with survived(ImageError, name, path):
        assert load_digit(path).dtype == torch.uint8
        assert name in ("png text", "png more pixels than it says")
