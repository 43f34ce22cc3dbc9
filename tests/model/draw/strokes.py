"""Ten digits as a hand draws them: for each its strokes, as points in a square of side 1."""

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Return points on an ellipse around (x, y), from one angle to another, in degrees from the right, clockwise."""
    steps = max(2, round(abs(end - start) / 45))
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def line(*corners: Point) -> list[Point]:
    """Return points along straight lines from corner to corner, as a mouse passes them."""
    points: list[Point] = [corners[0]]
    for (x, y), (to_x, to_y) in pairwise(corners):
        points += [(x + (to_x - x) * step / 2, y + (to_y - y) * step / 2) for step in range(1, 3)]
    return points


DIGITS: dict[int, Sequence[list[Point]]] = {
    0: [arc(0.5, 0.5, 0.2, 0.32, -90, 270)],
    1: [line((0.54, 0.17), (0.48, 0.84))],
    2: [arc(0.5, 0.36, 0.19, 0.18, -170, 30) + line((0.66, 0.47), (0.3, 0.8), (0.74, 0.8))],
    3: [arc(0.48, 0.34, 0.18, 0.16, -150, 90) + arc(0.48, 0.66, 0.2, 0.17, -90, 150)],
    4: [line((0.36, 0.18), (0.28, 0.55), (0.74, 0.55)), line((0.64, 0.2), (0.62, 0.84))],
    5: [line((0.68, 0.2), (0.38, 0.2), (0.36, 0.46)) + arc(0.48, 0.62, 0.2, 0.19, -130, 140)],
    6: [line((0.6, 0.17), (0.42, 0.36)) + arc(0.5, 0.64, 0.17, 0.18, 200, -160)],
    7: [line((0.3, 0.22), (0.7, 0.22), (0.45, 0.82))],
    8: [arc(0.5, 0.34, 0.15, 0.15, 90, -270) + arc(0.5, 0.66, 0.18, 0.17, -90, 270)],
    9: [arc(0.5, 0.36, 0.17, 0.17, 0, -360) + line((0.67, 0.36), (0.62, 0.82))],
}
