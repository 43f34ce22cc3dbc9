"""Kinds of pictures that people have of one digit: framed, on ruled paper, photographed, in odd files.

Every function takes a generator, a digit (28, 28) in [0, 1], white on black, and a strength of 0, 1 or 2, and returns
a Picture. Its name is the name of the kind.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.drawing import Picture, Random, Values, cropped, grey, hairline, mixed, picture, placed, smooth, strokes

SIZES = (28, 100, 400)


def white_on_black(_random: Random, digit: Values, strength: int) -> Picture:
    return picture(strokes(digit, SIZES[strength]))


def black_on_white(_random: Random, digit: Values, strength: int) -> Picture:
    return picture(1 - strokes(digit, SIZES[strength]))


def large(_random: Random, digit: Values, strength: int) -> Picture:
    return picture(1 - strokes(digit, (1000, 2000, 4000)[strength]))


def black_frame(random: Random, digit: Values, strength: int) -> Picture:
    return picture(_framed(1 - strokes(digit, _side(random)), (1, 3, 5)[strength], 0.0))


def grey_frame(random: Random, digit: Values, strength: int) -> Picture:
    return picture(_framed(1 - strokes(digit, _side(random)), (1, 3, 5)[strength], random.uniform(0.4, 0.75)))


def frame_of_two_sides(random: Random, digit: Values, strength: int) -> Picture:
    sides = ("tb", "lr", "tl", "br")[random.integers(4)]
    level = random.choice((0.0, random.uniform(0.4, 0.75)))
    return picture(_framed(1 - strokes(digit, _side(random)), (1, 3, 5)[strength], level, sides))


def frame_on_black(random: Random, digit: Values, strength: int) -> Picture:
    return picture(_framed(strokes(digit, _side(random)), (1, 3, 5)[strength], random.uniform(0.4, 1.0)))


def plot_with_axes(random: Random, digit: Values, strength: int) -> Picture:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(random.uniform(3, 6.4), random.uniform(3, 4.8)))
    axes = figure.add_subplot()
    axes.imshow(digit, cmap=("gray_r", "gray", "viridis")[strength])
    if random.random() < 0.5:
        axes.set_title(f"image {random.integers(1000)}")
    stored = io.BytesIO()
    figure.savefig(stored, dpi=100)
    return Picture(Image.open(stored).convert("RGB"))


def sheet_on_a_dark_table(random: Random, digit: Values, strength: int) -> Picture:
    side = int(random.integers(150, 500))
    sheet = picture(0.93 * (1 - strokes(digit, side))).image.convert("RGBA")
    turned = sheet.rotate(random.uniform(-1, 1) * (0, 4, 12)[strength], Image.Resampling.BICUBIC, expand=True)
    margin = int(side * random.uniform(0.05, 0.6))
    size = (turned.width + margin, turned.height + margin // 2)
    wood = 0.12 + 0.1 * smooth(random, size[1], size[0], 5)
    table = picture(np.stack([wood * 1.2, wood, wood * 0.8], axis=-1)).image.convert("RGBA")
    table.alpha_composite(turned, (int(random.uniform(0, margin)), int(random.uniform(0, margin // 2))))
    return Picture(table.convert("RGB"))


def small_on_a_page(random: Random, digit: Values, strength: int) -> Picture:
    side, height, width = ((28, 1000, 1000), (40, 1000, 1000), (60, 3508, 2480))[strength]
    top, left = int(random.uniform(0, height - side)), int(random.uniform(0, width - side))
    return picture(1 - placed(strokes(digit, side), height, width, top, left))


def gif_with_blank_frames(random: Random, digit: Values, strength: int) -> Picture:
    return _animated(random, digit, strength, "gif")


def apng_with_blank_frames(random: Random, digit: Values, strength: int) -> Picture:
    return _animated(random, digit, strength, "png")


def bitmap_of_unused_alpha(_random: Random, digit: Values, strength: int) -> Picture:
    return picture(1 - strokes(digit, SIZES[strength]), "bmp")


def float_tiff_with_nan(random: Random, digit: Values, strength: int) -> Picture:
    values = np.float32(strokes(digit, SIZES[strength]) * random.choice((1.0, 255.0, 1e4)))
    holes = random.choice(values.size, (1, 20, values.size // 50)[strength], replace=False)
    values.flat[holes] = (np.nan, np.inf, np.nan)[strength]
    return Picture(Image.fromarray(values), "tiff")


def sixteen_bits(random: Random, digit: Values, strength: int) -> Picture:
    values = (1 - strokes(digit, SIZES[strength])) * random.uniform(500, 40000) + 3000
    return Picture(Image.fromarray(values.astype(np.uint16)), "png")


def cut_out_to_the_ink(random: Random, digit: Values, strength: int) -> Picture:
    ink = cropped(strokes(digit, (60, 200, 800)[strength]))
    return picture(ink if random.random() < 0.5 else 1 - ink)


def marker_pen(random: Random, digit: Values, strength: int) -> Picture:
    ink = strokes(digit, int(random.integers(60, 300)), (0.4, 0.8, 1.2)[strength])
    return picture(mixed(ink, (0.1, 0.1, 0.3), grey(0.97)))


def marker_pen_cut_out(random: Random, digit: Values, strength: int) -> Picture:
    ink = cropped(strokes(digit, int(random.integers(60, 300)), (0.3, 0.6, 0.9)[strength]))
    return picture(1 - ink)


def several_digits(random: Random, digit: Values, strength: int) -> Picture:
    number, side = strength + 2, int(random.integers(40, 120))
    page = np.zeros((2 * side, number * side + side))
    for place in range(number):
        ink = cropped(strokes(digit, int(side * random.uniform(0.9, 1.1))))
        left = int(side * (place + 0.5)) + (side - ink.shape[1]) // 2
        page = np.maximum(page, placed(ink, *page.shape, int(side * random.uniform(0.4, 0.6)), left))
    return Picture(picture(1 - page).image, digits=number)


def ruled_paper(random: Random, digit: Values, strength: int) -> Picture:
    return _on_lines(random, digit, strength, across=False)


def squared_paper(random: Random, digit: Values, strength: int) -> Picture:
    return _on_lines(random, digit, strength, across=True)


def shading(random: Random, digit: Values, strength: int) -> Picture:
    side = int(random.integers(100, 500))
    down, right = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    angle = random.uniform(0, 2 * np.pi)
    fall = np.cos(angle) * (down - 0.5) + np.sin(angle) * (right - 0.5) + 0.7
    light = 1 - (0.3, 0.5, 0.7)[strength] * fall.clip(0, 1.4) / 1.4
    return picture(mixed(strokes(digit, side), grey(0.15), grey(0.95)) * light[..., None])


def phone_shadow(random: Random, digit: Values, strength: int) -> Picture:
    side = int(random.integers(200, 600))
    down, right = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    angle, soft = random.uniform(0, 2 * np.pi), random.uniform(0.02, 0.15)
    edge = np.cos(angle) * down + np.sin(angle) * right - random.uniform(-0.5, 0.5)
    light = 1 - (0.3, 0.45, 0.6)[strength] / (1 + np.exp(-edge / soft))
    paper = mixed(strokes(digit, side), grey(0.12), grey(0.92)) * light[..., None]
    return picture(paper + random.normal(0, 0.015, paper.shape), "jpg", quality=85)


def coloured_pens(random: Random, digit: Values, strength: int) -> Picture:
    ink = strokes(digit, int(random.integers(60, 300)))
    while True:
        pen, paper = random.random(3), random.random(3)
        if (0.5, 0.35, 0.2)[strength] <= np.sqrt(np.square(pen - paper).mean()) <= (0.9, 0.5, 0.35)[strength]:
            return picture(mixed(ink, pen, paper))


def specks(random: Random, digit: Values, strength: int) -> Picture:
    side = int(random.integers(100, 400))
    page = strokes(digit, side)
    for _ in range((3, 8, 20)[strength]):
        radius = side * random.uniform(0.004, 0.02)
        along, depth = random.uniform(0, side), random.uniform(-radius, 0.08 * side)
        row, column = ((depth, along), (side - depth, along), (along, depth), (along, side - depth))[random.integers(4)]
        down, right = np.ogrid[:side, :side]
        page = np.maximum(page, np.hypot(down - row, right - column) < radius)
    return picture(mixed(page, grey(0.1), grey(0.95)))


def hairlines(random: Random, digit: Values, strength: int) -> Picture:
    side = (600, 1500, 4000)[strength]
    return picture(1 - hairline(digit, side, int(random.integers(1, 3))))


def jpeg_noise(random: Random, digit: Values, strength: int) -> Picture:
    ink = strokes(digit, int(random.integers(60, 250)))
    return picture(mixed(ink, random.uniform(0, 0.3, 3), grey(0.95)), "jpg", quality=(40, 20, 8)[strength])


def sensor_noise(random: Random, digit: Values, strength: int) -> Picture:
    ink = ndimage.gaussian_filter(strokes(digit, int(random.integers(100, 400))), 1.5)
    colours = mixed(ink, grey(0.2), grey(0.8))
    return picture(colours + random.normal(0, (0.03, 0.07, 0.12)[strength], colours.shape))


def cut_off_strokes(random: Random, digit: Values, strength: int) -> Picture:
    ink = cropped(strokes(digit, int(random.integers(60, 300))), 20)
    cut = 20 + int((0.03, 0.06, 0.1)[strength] * (ink.shape[0] - 40))
    ink = ink[cut:] if random.random() < 0.5 else ink[:-cut]
    return picture(mixed(ink, grey(0.1), grey(0.95)))


def transparency(random: Random, digit: Values, strength: int) -> Picture:
    ink = strokes(digit, int(random.integers(60, 300)))
    level, most = ((0.0, 1.0), (1.0, 1.0), (random.random(), 0.4))[strength]
    colours = np.full((*ink.shape, 4), level)
    colours[..., 3] = ink * most
    return picture(colours)


def photograph(random: Random, digit: Values, strength: int) -> Picture:
    height, width = ((750, 1000), (1500, 2000), (3000, 4000))[strength]
    side = int(height * random.uniform(0.15, 0.8))
    place = int(random.uniform(0, height - side)), int(random.uniform(0, width - side))
    ink = placed(strokes(digit, side, random.uniform(-0.3, 0.3)), height, width, *place)
    light = 0.55 + 0.4 * smooth(random, height, width, 1)
    grain = np.asarray(Image.fromarray(random.integers(0, 256, (height // 2, width // 2), dtype=np.uint8))
                       .resize((width, height))) / 255 - 0.5  # fmt: skip
    colours = mixed(ndimage.gaussian_filter(ink, height / 1000), (0.1, 0.12, 0.35), (0.95, 0.93, 0.88))
    return picture((colours * light[..., None]) + 0.06 * grain[..., None], "jpg", quality=80)


def other_formats(random: Random, digit: Values, strength: int) -> Picture:
    return picture(1 - strokes(digit, int(random.integers(48, 200))), ("avif", "ico", "webp")[strength])


def _side(random: Random) -> int:
    return int(random.choice((28, 56, 140, 280)))


def _framed(values: Values, thickness: int, level: float, sides: str = "tblr") -> Values:
    """Return values (H, W) with a frame of a grey level drawn over some of their sides."""
    values = values.copy()
    along = {"t": slice(thickness), "b": slice(-thickness, None)}
    across = {"l": slice(thickness), "r": slice(-thickness, None)}
    for side in sides:
        values[along.get(side, slice(None)), across.get(side, slice(None))] = level
    return values


def _animated(random: Random, digit: Values, strength: int, suffix: str) -> Picture:
    """Return an animation with the digit in its last frame, after 1, 2 or 4 blank ones."""
    side = int(random.integers(28, 200))
    frames = [Image.new("L", (side, side), 255) for _ in range((1, 2, 4)[strength])]
    last = picture(1 - strokes(digit, side)).image
    durations = [100 * (number + 1) for number in range(len(frames) + 1)]  # else equal frames become one
    options = {"save_all": True, "append_images": [*frames[1:], last], "duration": durations}
    return Picture(frames[0], suffix, options)


def _on_lines(random: Random, digit: Values, strength: int, *, across: bool) -> Picture:
    """Return the digit on paper with lines, pale to dark, in one direction or both."""
    height, width = int(random.integers(200, 600)), int(random.integers(200, 600))
    gap = int(random.uniform(0.08, 0.25) * height)
    thick = max(1, round(height / 250))
    rows, columns = np.mgrid[:height, :width]
    lines = (rows + int(random.integers(gap))) % gap < thick
    if across:
        lines |= (columns + int(random.integers(gap))) % gap < thick
    side = int(min(height, width) * random.uniform(0.5, 0.95))
    place = int(random.uniform(0, height - side)), int(random.uniform(0, width - side))
    ink = placed(strokes(digit, side), height, width, *place)
    level = (0.8, 0.6, 0.4)[strength]
    paper = mixed(lines.astype(float), (level * 0.9, level, min(1, level * 1.2)), grey(0.97))
    return picture(mixed(ink, (0.08, 0.08, 0.25), paper))


KINDS = (
    white_on_black, black_on_white, large, black_frame, grey_frame, frame_of_two_sides, frame_on_black, plot_with_axes,
    sheet_on_a_dark_table, small_on_a_page, gif_with_blank_frames, apng_with_blank_frames, bitmap_of_unused_alpha,
    float_tiff_with_nan, sixteen_bits, cut_out_to_the_ink, marker_pen, marker_pen_cut_out, several_digits, ruled_paper,
    squared_paper, shading, phone_shadow, coloured_pens, specks, hairlines, jpeg_noise, sensor_noise, cut_off_strokes,
    transparency, photograph, other_formats,
)  # fmt: skip
