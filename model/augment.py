"""Augmentation: training images warped, thickened, blurred, dimmed and made noisy at random, a whole batch at once.

Affine and elastic distortions as in Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks
applied to visual document analysis". Functions that draw take a generator on the CPU, so that what is drawn does not
depend on the device of the images; the others are plain functions of tensors.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from model.hyperparameters import Hyperparameters

WARPS = ("rotation", "shift", "scale", "shear", "elastic")
STRENGTHS = (*WARPS, "thickness", "blur", "contrast", "noise")
SIDE = 28  # pixels
ELASTIC_NODES = 5  # along each side; between them displacements are smoothed
ELASTIC_WIDTH = 4.0  # pixels; the Gaussian that smooths displacements, as wide as in Simard et al.
LEAST_WIDTH = 0.01  # pixels; a Gaussian so narrow leaves an image as it is


def augments(hyperparameters: Hyperparameters) -> bool:
    """Return whether any strength is above 0."""
    return any(getattr(hyperparameters, name) > 0 for name in STRENGTHS)


def augment(images: Tensor, hyperparameters: Hyperparameters, generator: Generator) -> Tensor:
    """Return uint8 images (B, 28, 28), each changed at random in its own way, as floats (B, 28, 28) from 0 to 255.

    A strength of 0 draws nothing and costs nothing.
    """
    hp, count = hyperparameters, len(images)
    pixels = images.unsqueeze(1).float() / 255
    if any(getattr(hp, name) > 0 for name in WARPS):
        affine, nodes = draw_affine(count, hp, generator), draw_nodes(count, hp.elastic, generator)
        pixels = warp(pixels, affine, None if nodes is None else elastic_field(nodes.to(pixels.device)))
    if hp.thickness > 0:
        pixels = thicken(pixels, draw(count, hp.thickness, generator))
    if hp.blur > 0:
        pixels = blur(pixels, draw(count, hp.blur, generator).abs())
    if hp.contrast > 0:
        pixels = brighten(pixels, 1 + draw(count, hp.contrast, generator))
    if hp.noise > 0:
        deviations = draw(count, hp.noise, generator)
        pixels = add_noise(pixels, deviations, torch.randn(pixels.shape, generator=generator))
    return pixels.squeeze(1) * 255


def draw(count: int, strength: float, generator: Generator) -> Tensor:
    """Return numbers (count,), uniform from -strength to strength; zeros, and nothing drawn, for a strength of 0."""
    if strength == 0:
        return torch.zeros(count)
    return torch.empty(count).uniform_(-strength, strength, generator=generator)


def draw_affine(count: int, hyperparameters: Hyperparameters, generator: Generator) -> Tensor:
    """Return affine maps (count, 2, 3) for `warp`, within the strengths of rotation, shift, scale and shear."""
    hp = hyperparameters
    degrees, slant = draw(count, hp.rotation, generator), draw(count, hp.shear, generator)
    width, height = 1 + draw(count, hp.scale, generator), 1 + draw(count, hp.scale, generator)
    right, down = draw(count, hp.shift, generator), draw(count, hp.shift, generator)
    return affine_maps(degrees, slant, width, height, right, down)


def affine_maps(degrees: Tensor, slant: Tensor, width: Tensor, height: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Return maps (B, 2, 3) of positions (x, y), in pixels from the centre, with x to the right and y down.

    All arguments are (B,). An image is made so many times as wide and high, slanted by `slant` pixels per pixel of
    height, turned clockwise by `degrees`, and at last moved by so many pixels to the right and down.
    """
    cos, sin = torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin()
    of_x = torch.stack([cos * width, sin * width], dim=1)
    of_y = torch.stack([(cos * slant - sin) * height, (sin * slant + cos) * height], dim=1)
    return torch.stack([of_x, of_y, torch.stack([right, down], dim=1)], dim=2)


def draw_nodes(count: int, strength: float, generator: Generator) -> Tensor | None:
    """Return the displacements at the nodes of `elastic_field`, (count, 2, 5, 5); None for a strength of 0."""
    if strength == 0:
        return None
    drawn = draw(count * 2 * ELASTIC_NODES**2, strength, generator)
    return drawn.view(count, 2, ELASTIC_NODES, ELASTIC_NODES)


def elastic_field(nodes: Tensor) -> Tensor:
    """Return displacements (B, 28, 28, 2), in pixels: those at the nodes (B, 2, 5, 5), evenly spaced, smoothed.

    None is larger than the largest at a node. Uniform draws at the nodes give a standard deviation of about 0.27 times
    their strength, so Simard et al.'s field (4 pixels wide, times 34: 1.4 pixels) is a strength of 5.
    """
    places = torch.linspace(0, SIDE - 1, ELASTIC_NODES, device=nodes.device)
    weights = gaussian_weights(places, torch.tensor(ELASTIC_WIDTH))
    return (weights @ nodes @ weights.mT).permute(0, 2, 3, 1)


def warp(pixels: Tensor, affine: Tensor, displacements: Tensor | None = None) -> Tensor:
    """Return images (B, 1, 28, 28) moved by the maps of `affine_maps` and by displacements; what comes in is black.

    One bilinear sampling does both: each pixel looks up where it comes from.
    """
    inverse = torch.linalg.inv(affine[:, :, :2])
    back = (inverse @ affine[:, :, 2:]).mT.to(pixels.device)
    inverse = inverse.to(pixels.device)
    middles = torch.arange(SIDE, device=pixels.device) - (SIDE - 1) / 2
    across, down = (middles[:, None] * inverse[:, None, :, axis] for axis in range(2))  # (B, 28, 2) each
    origins = across[:, None] + (down - back)[:, :, None]  # several times as fast as F.affine_grid
    if displacements is not None:
        origins = origins + displacements
    # torch measures from -1 to 1, border to border.
    return F.grid_sample(pixels, origins * (2 / SIDE), padding_mode="zeros", align_corners=False)


def thicken(pixels: Tensor, amounts: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28) whose strokes are wider by `amounts` (B,) pixels on each side, or thinner below 0.

    An amount between -1 and 1 is so far on the way to the erosion or dilation by a square of 3 x 3 pixels.
    """
    amounts = _per_image(amounts, pixels)
    sign = amounts.sign()
    # Images as channels, in the layout that pools ten times as fast on CPUs.
    signed = (sign * pixels).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    extreme = sign * F.max_pool2d(signed, 3, stride=1, padding=1).transpose(0, 1)  # the smallest where the sign is -1
    return torch.lerp(pixels, extreme, amounts.abs())


def blur(pixels: Tensor, widths: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28) blurred by Gaussians of the standard deviations `widths` (B,), in pixels."""
    weights = gaussian_weights(torch.arange(SIDE, device=pixels.device), _per_image(widths, pixels))
    return weights @ pixels @ weights.mT


def brighten(pixels: Tensor, factors: Tensor) -> Tensor:
    """Return images in [0, 1], (B, 1, 28, 28), times `factors` (B,), and no brighter than 1."""
    return (pixels * _per_image(factors, pixels)).clamp(0, 1)


def add_noise(pixels: Tensor, deviations: Tensor, noise: Tensor) -> Tensor:
    """Return images in [0, 1], (B, 1, 28, 28), with `deviations` (B,) times `noise` (B, 1, 28, 28), still in [0, 1]."""
    return (pixels + _per_image(deviations, pixels) * noise.to(pixels.device)).clamp(0, 1)


def gaussian_weights(places: Tensor, widths: Tensor) -> Tensor:
    """Return weights (..., 28, P) that smooth values at `places` (P,) along a side of 28 pixels; each row sums to 1."""
    distances = torch.arange(SIDE, device=places.device)[:, None] - places
    return torch.softmax(-(distances**2) / (2 * widths.clamp(min=LEAST_WIDTH) ** 2), dim=-1)


def _per_image(numbers: Tensor, pixels: Tensor) -> Tensor:
    """Return numbers (B,) as (B, 1, 1, 1) on the device of `pixels`, to meet each image with its own."""
    return numbers.view(-1, 1, 1, 1).to(pixels.device)
