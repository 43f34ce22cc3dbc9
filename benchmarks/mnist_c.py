"""The corruptions of MNIST-C, written from its paper (Mu and Gilmer, 2019), each at three strengths.

Every function takes a generator, a digit (28, 28) in [0, 1], white on black, and a strength of 0, 1 or 2; the paper's
strength is the middle or the last one. It returns the corrupted digit (28, 28).
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.drawing import Random, Values, smooth


def shot_noise(random: Random, digit: Values, strength: int) -> Values:
    rate = (25, 12, 5)[strength]
    return (random.poisson(digit * rate) / rate).clip(0, 1)


def impulse_noise(random: Random, digit: Values, strength: int) -> Values:
    draw, share = random.random(digit.shape), (0.03, 0.09, 0.17)[strength]
    return np.where(draw < share / 2, 0.0, np.where(draw > 1 - share / 2, 1.0, digit))


def glass_blur(random: Random, digit: Values, strength: int) -> Values:
    sigma, rounds = ((0.5, 1), (0.7, 2), (0.9, 2))[strength]
    image = ndimage.gaussian_filter(digit, sigma)
    for _ in range(rounds):
        for row in range(26, 1, -1):
            for column in range(26, 1, -1):
                down, right = random.integers(-1, 2, 2)
                here, there = (row, column), (row + down, column + right)
                image[here], image[there] = image[there], image[here]
    blurred: Values = ndimage.gaussian_filter(image, sigma).clip(0, 1)
    return blurred


def motion_blur(random: Random, digit: Values, strength: int) -> Values:
    length = (3, 5, 7)[strength]
    kernel = np.zeros((length, length))
    kernel[length // 2] = 1
    kernel = ndimage.rotate(kernel, random.uniform(-45, 45), reshape=False, order=1).clip(0)
    blurred: Values = ndimage.convolve(digit, kernel / kernel.sum()).clip(0, 1)
    return blurred


def shear(random: Random, digit: Values, strength: int) -> Values:
    amount = (0.2, 0.3, 0.4)[strength] * random.choice((-1, 1))
    return _affine(digit, np.array([[1, 0], [amount, 1]]))


def scale(_random: Random, digit: Values, strength: int) -> Values:
    return _affine(digit, np.eye(2) / (0.9, 0.8, 0.7)[strength])


def rotate(random: Random, digit: Values, strength: int) -> Values:
    angle = (0.1, 0.2, 0.4)[strength] * random.choice((-1, 1))
    return _affine(digit, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))


def brightness(_random: Random, digit: Values, strength: int) -> Values:
    return (digit + (0.2, 0.35, 0.5)[strength]).clip(0, 1)


def translate(random: Random, digit: Values, strength: int) -> Values:
    shifted: Values = ndimage.shift(digit, random.choice((-1, 1), 2) * (2, 3, 4)[strength], order=1)
    return shifted


def stripe(_random: Random, digit: Values, strength: int) -> Values:
    half = (2, 3, 7)[strength]
    striped = digit.copy()
    striped[:, 14 - half : 14 + half] = 1 - striped[:, 14 - half : 14 + half]
    return striped


def fog(random: Random, digit: Values, strength: int) -> Values:
    amount = (0.3, 0.6, 0.9)[strength]
    hills = (smooth(random, 28, 28, 3) + 0.5 * smooth(random, 28, 28, 7)) / 1.5
    return (digit + amount * hills) / (1 + amount)


def spatter(random: Random, digit: Values, strength: int) -> Values:
    drops = ndimage.gaussian_filter(random.normal(size=(28, 28)), 1.0)
    wet = drops > np.quantile(drops, (0.98, 0.96, 0.93)[strength])
    drops_seen: Values = ndimage.gaussian_filter(wet.astype(float), 0.4) * 0.8
    return np.maximum(digit, drops_seen).clip(0, 1)


def dotted_line(random: Random, digit: Values, strength: int) -> Values:
    start, end = np.array([random.uniform(2, 26), 0]), np.array([random.uniform(2, 26), 27])
    image = digit.copy()
    for part in np.linspace(0, 1, (6, 8, 10)[strength]):
        row, column = (start + part * (end - start)).astype(int)
        image[row, column] = 1
    return image


def zigzag(random: Random, digit: Values, strength: int) -> Values:
    image = Image.fromarray((digit * 255).astype(np.uint8))
    turns = (3, 5, 8)[strength]
    first, last = random.uniform(2, 26, 2)
    corners = [
        (27 * part, first + part * (last - first) + 2.0 * (-1) ** number)
        for number, part in enumerate(np.linspace(0, 1, turns + 1))
    ]
    ImageDraw.Draw(image).line(corners, fill=255, width=1)
    return np.asarray(image) / 255


def canny_edges(_random: Random, digit: Values, strength: int) -> Values:
    image = ndimage.gaussian_filter(digit, (0.5, 0.8, 1.0)[strength])
    down, right = ndimage.sobel(image, 0), ndimage.sobel(image, 1)
    size = np.hypot(down, right)
    edges = np.zeros((28, 28))
    for row in range(1, 27):
        for column in range(1, 27):
            if size[row, column] < 0.8:
                continue
            step = np.array([down[row, column], right[row, column]]) / size[row, column]
            ahead, behind = (tuple((np.array([row, column]) + sign * step).round().astype(int)) for sign in (1, -1))
            edges[row, column] = size[row, column] >= size[ahead] and size[row, column] > size[behind]
    return edges


def _affine(digit: Values, matrix: Values) -> Values:
    """Return a digit transformed by a matrix (2, 2) about its middle."""
    middle = np.array([13.5, 13.5])
    return np.asarray(ndimage.affine_transform(digit, matrix, middle - matrix @ middle, order=1)).clip(0, 1)


CORRUPTIONS = (
    shot_noise, impulse_noise, glass_blur, motion_blur, shear, scale, rotate, brightness, translate, stripe, fog,
    spatter, dotted_line, zigzag, canny_edges,
)  # fmt: skip
