"""Novelty: how unlike the training images an image looks to a network, so that what is no digit is not called one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.network import Net

AXES = 64  # of the features; what training images have in common lies along these
FITTED = 5_000  # training images are enough to find them
REFUSED = 0.004  # share of unseen digits that count as novel
FEWEST = 1_000  # unseen images; fewer can't tell where so small a share begins


@dataclass(frozen=True)
class Novelty:
    """What the novelty of an image is computed from, for one network of F features.

    `mean` (F,) and `axes` (F, A) are those of the features of training images, `weight` (1,) makes distances from the
    axes comparable with logits, and an image of more than `limit` (1,) is novel.
    """

    mean: Tensor
    axes: Tensor
    weight: Tensor
    limit: Tensor


def fit_novelty(net: Net, trained: Tensor, unseen: Tensor) -> Novelty | None:
    """Return how novelty is found, from images (N, 1, 28, 28), normalised; None where too few of them are unseen."""
    if len(unseen) < FEWEST:
        return None
    features, logits = _answers(net, trained[:FITTED])
    mean = features.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the search for the axes begins with random ones
        _, _, axes = torch.pca_lowrank(features, min(AXES, features.shape[1] // 2), niter=4)
    weight = (logits.max(dim=1).values.mean() / _distance(features, mean, axes).mean().clamp(min=1e-6))[None]
    fitted = Novelty(mean, axes.contiguous(), weight, torch.zeros(1))
    limit = novelty(net, unseen, fitted).quantile(1 - REFUSED)
    return Novelty(mean, fitted.axes, weight, limit[None])


def novelty(net: Net, images: Tensor, fitted: Novelty) -> Tensor:
    """Return how novel each image (N, 1, 28, 28), normalised, is to a network (N,).

    It is the weighted distance of its features from their principal axes, less the logarithm of the sum of the logits'
    exponentials: ViM (Wang et al. 2022, arXiv:2203.10807), with the features before the first linear layer.
    """
    features, logits = _answers(net, images)
    return fitted.weight * _distance(features, fitted.mean, fitted.axes) - logits.logsumexp(dim=1)


@torch.inference_mode()
def _answers(net: Net, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features (N, F) and the logits (N, 10) of images, in evaluation mode."""
    net.eval()
    features = torch.cat([net.features(batch) for batch in torch.split(images, 1000)])
    return features, net.logits(features)


def _distance(features: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    """Return the distance (N,) of features (N, F) from the axes (F, A) through their mean (F,)."""
    centred = features - mean
    distance: Tensor = (centred - centred @ axes @ axes.T).norm(dim=1)
    return distance
