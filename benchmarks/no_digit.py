"""Kinds of pictures without a digit: blank, noise, texture, scribble. The signature is that of benchmarks/kinds.py."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import make_interp_spline

from benchmarks.drawing import Picture, Random, Values, grey, mixed, picture, smooth

SIDES = (28, 120, 400)


def blank(random: Random, _digit: Values, strength: int) -> Picture:
    """Return paper: of one colour, with grain, or with shading and grain."""
    side = int(random.integers(28, 400))
    colours = np.full((side, side, 3), random.random(3))
    if strength == 2:
        colours = colours * (1 - 0.3 * smooth(random, side, side, 1)[..., None])
    if strength:
        colours = colours + random.normal(0, 0.02, colours.shape)
    return picture(colours)


def noise(random: Random, _digit: Values, strength: int) -> Picture:
    """Return independent grey levels, black and white pixels, or blotches."""
    side = int(random.choice(SIDES))
    if strength == 0:
        return picture(random.random((side, side)))
    if strength == 1:
        return picture((random.random((side, side)) < random.uniform(0.05, 0.5)).astype(float))
    return picture((smooth(random, side, side, int(random.integers(8, 14))) > 0.6).astype(float))


def texture(random: Random, _digit: Values, strength: int) -> Picture:
    """Return a chequered pattern, wood, or bricks."""
    side = int(random.choice(SIDES))
    rows, columns = np.mgrid[:side, :side] / side
    cells = int(random.integers(5, 12))
    if strength == 0:
        values = ((rows * cells).astype(int) + (columns * cells).astype(int)) % 2 * random.uniform(0.3, 1)
    elif strength == 1:
        bent = columns + 0.1 * smooth(random, side, side, 3)
        values = 0.5 + 0.3 * np.sin(2 * np.pi * cells * bent) * smooth(random, side, side, 4)
    else:
        shifted = columns * cells + (rows * cells).astype(int) % 2 / 2
        values = np.where(((rows * cells) % 1 < 0.15) | (shifted % 1 < 0.1), 0.8, 0.4)
    return picture(values)


def scribble(random: Random, _digit: Values, strength: int) -> Picture:
    """Return a pen's scrawl like a letter of no alphabet: straight strokes, one curve, or two curves."""
    side = int(random.integers(60, 300))
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    width = max(2, int(side * random.uniform(0.04, 0.09)))
    if strength == 0:
        for _ in range(int(random.integers(3, 6))):
            pen.line([tuple(end) for end in random.uniform(0.15, 0.85, (2, 2)) * side], fill=255, width=width)
    for _ in range(strength):
        corners = random.uniform(0.15, 0.85, (int(random.integers(6, 11)), 2))
        curve = make_interp_spline(np.arange(len(corners)), corners, k=3)(np.linspace(0, len(corners) - 1, 200)) * side
        pen.line([tuple(point) for point in curve], fill=255, width=width, joint="curve")
    return picture(mixed(np.asarray(image) / 255, grey(0.1), grey(0.95)))


def letter(random: Random, _digit: Values, strength: int) -> Picture:
    """Return a capital letter of straight strokes that no digit resembles, drawn by an unsteady hand."""
    side = int(random.integers(60, 300))
    image = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(image)
    name = str(random.choice(list(LETTERS)))
    wobble = (0.02, 0.04, 0.06)[strength]
    for line in LETTERS[name]:
        points = (0.2 + 0.6 * np.array(line)) + random.normal(0, wobble, (len(line), 2))
        pen.line([tuple(point * side) for point in points], fill=255, width=max(2, side // 16), joint="curve")
    return picture(mixed(np.asarray(image) / 255, grey(0.1), grey(0.95)))


# Corners (x, y) in the unit square, a line for each stroke of the pen.
LETTERS: dict[str, list[list[tuple[float, float]]]] = {
    "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.6), (0.8, 0.6)]],
    "E": [[(0.9, 0), (0, 0), (0, 1), (0.9, 1)], [(0, 0.5), (0.7, 0.5)]],
    "F": [[(0.9, 0), (0, 0), (0, 1)], [(0, 0.5), (0.7, 0.5)]],
    "H": [[(0, 0), (0, 1)], [(0.9, 0), (0.9, 1)], [(0, 0.5), (0.9, 0.5)]],
    "K": [[(0, 0), (0, 1)], [(0.9, 0), (0, 0.5), (0.9, 1)]],
    "M": [[(0, 1), (0, 0), (0.5, 0.6), (1, 0), (1, 1)]],
    "N": [[(0, 1), (0, 0), (0.9, 1), (0.9, 0)]],
    "R": [[(0, 1), (0, 0), (0.8, 0.1), (0.8, 0.4), (0, 0.5), (0.9, 1)]],
    "W": [[(0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0)]],
    "X": [[(0, 0), (0.9, 1)], [(0.9, 0), (0, 1)]],
}

NO_DIGIT = (blank, noise, texture, scribble, letter)
