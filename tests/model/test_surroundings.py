"""Only the digit is read: not its frame, its table, its lines, its light, its neighbours."""

import random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from torch import Tensor

from model.image import load_digit
from model.picture import ImageError
from tests.model.drawings import Save, assert_alike, noisy, seven

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("sides", ["tblr", "tb", "lr", "tl", "br"])
@pytest.mark.parametrize(("level", "width"), [(0, 1), (0, 5), (150, 3)])
def test_frames(save: Save, plain: Tensor, sides: str, level: int, width: int) -> None:
    image = seven()
    boxes = {"t": (0, 0, 199, width - 1), "b": (0, 200 - width, 199, 199)}
    boxes |= {"l": (0, 0, width - 1, 199), "r": (200 - width, 0, 199, 199)}
    for side in sides:
        ImageDraw.Draw(image).rectangle(boxes[side], fill=level)
    assert_alike(load_digit(save(image)), plain)


def test_a_frame_that_covers_the_ends_of_strokes(save: Save) -> None:
    image = seven((30, 30), at=(6, 3), scale=0.2, ink=255, paper=0)
    without = load_digit(save(image.crop((4, 4, 26, 26))))
    ImageDraw.Draw(image).rectangle((0, 0, 29, 29), outline=120, width=4)
    assert_alike(load_digit(save(image)), without, tolerance=0.06)


@pytest.mark.parametrize("turned", [0, 9])
def test_a_sheet_on_a_dark_table(save: Save, plain: Tensor, turned: float) -> None:
    sheet = seven(mode="RGBA", ink=(0, 0, 0, 255), paper=(240, 240, 240, 255))
    sheet = sheet.rotate(turned, Image.Resampling.BICUBIC, expand=True)
    table = Image.new("RGBA", (400, 300), (60, 45, 30, 255))
    table.alpha_composite(sheet, (60, 20))
    digit = load_digit(save(table.convert("RGB").rotate(-turned, Image.Resampling.BICUBIC, fillcolor=(60, 45, 30))))
    assert_alike(digit, plain)


@pytest.mark.parametrize("dark", [False, True])
def test_a_plot_with_axes(save: Save, plain: Tensor, dark: bool) -> None:
    page = Image.new("L", (400, 320), 255)
    page.paste(seven(ink=230, paper=30) if dark else seven(), (100, 60))
    pen = ImageDraw.Draw(page)
    pen.rectangle((99, 59, 300, 260), outline=0)
    pen.text((170, 30), "image 351", fill=0)
    for place in range(60, 260, 40):
        pen.text((70, place), str(place), fill=0)
        pen.line((94, place, 99, place), fill=0)
    assert_alike(load_digit(save(page)), plain)


def test_a_small_digit_on_a_large_page(save: Save, plain: Tensor) -> None:
    assert_alike(load_digit(save(seven((1000, 1000), at=(700, 90), scale=0.3))), plain, tolerance=0.05)


@pytest.mark.parametrize("level", [215, 120, 40])
@pytest.mark.parametrize("across", [False, True])
def test_ruled_and_squared_paper(save: Save, plain: Tensor, level: int, across: bool) -> None:
    paper = Image.new("L", (200, 200), 250)
    for place in range(11, 200, 32):
        ImageDraw.Draw(paper).line((0, place, 199, place), fill=level)
        if across:
            ImageDraw.Draw(paper).line((place, 0, place, 199), fill=level)
    assert_alike(load_digit(save(ImageChops.darker(seven(), paper))), plain, tolerance=0.05)


def test_a_bar_that_spans_the_picture_is_no_rule(save: Save, plain: Tensor) -> None:
    assert_alike(load_digit(save(seven((94, 134), at=(7, 7)))), plain)


def test_light_that_bends(save: Save, plain: Tensor) -> None:
    lamp = Image.radial_gradient("L").resize((200, 200)).point(lambda value: 250 - value // 2)
    assert_alike(load_digit(save(ImageChops.multiply(seven(ink=130), lamp))), plain)


def test_the_shadow_of_a_phone(save: Save, plain: Tensor) -> None:
    shadow = Image.new("L", (200, 200), 240)
    ImageDraw.Draw(shadow).polygon([(0, 80), (200, 150), (200, 200), (0, 200)], fill=130)
    shadow = shadow.filter(ImageFilter.GaussianBlur(12))
    assert_alike(load_digit(save(ImageChops.multiply(seven(ink=40), shadow))), plain, tolerance=0.05)


def test_specks_near_the_border(save: Save, plain: Tensor) -> None:
    image = seven()
    for place in ((3, 3), (190, 60), (100, 196), (8, 150), (180, 180)):
        ImageDraw.Draw(image).ellipse((*place, place[0] + 5, place[1] + 5), fill=0)
    assert_alike(load_digit(save(image)), plain)


def test_parts_of_one_digit_stay_together(save: Save, plain: Tensor) -> None:
    broken = seven()
    ImageDraw.Draw(broken).rectangle((60, 90, 140, 96), fill=255)
    assert_alike(load_digit(save(broken)), plain)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_several_digits_are_counted(save: Save, number: int) -> None:
    page = Image.new("L", (120 * number, 200), 255)
    for place in range(number):
        page.paste(seven((100, 150), at=(5, 10)), (10 + 120 * place, 20))
    with pytest.raises(ImageError, match=rf"more than one digit \({number}\); cut the picture"):
        load_digit(save(page))


@pytest.mark.parametrize("kind", ["noise", "specks", "chequered"])
def test_patterns_are_no_digit(save: Save, kind: str) -> None:
    image = Image.new("L", (120, 120), 255)
    pen = ImageDraw.Draw(image)
    chance = random.Random(0)
    for row in range(0, 120, 12):
        for column in range(0, 120, 12):
            if kind == "chequered" and (row + column) % 24:
                pen.rectangle((column, row, column + 11, row + 11), fill=0)
            elif kind == "specks":
                place = (column + chance.randrange(6), row + chance.randrange(6))
                pen.ellipse((*place, place[0] + 4, place[1] + 4), fill=0)
    if kind == "noise":
        image = Image.effect_noise((120, 120), 400)
    with pytest.raises(ImageError, match=r"no digit found, .*; use"):
        load_digit(save(image))


def test_noise_of_a_sensor_is_no_ink(save: Save, plain: Tensor) -> None:
    soft = seven(ink=60, paper=190).filter(ImageFilter.GaussianBlur(1))
    assert_alike(load_digit(save(noisy(soft, 20))), plain, tolerance=0.05)
