"""Folding at export: batch norm becomes part of the weights before it, so that conv, pool and linear alone are left."""

import copy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.errors import InputError
from model.network import Net
from model.train import predict

CHECKED_IMAGES = 10_000
TOLERANCE = 1e-4  # of the largest log-probability of an image, or of 1; rounding gives about 1e-6


class FoldError(InputError):
    """Raised for a network that answers otherwise once its batch norm is folded; the text is one line."""


def fold(net: Net, images: Tensor, mean: float, std: float) -> Net:
    """Return a network without batch norm that answers as `net` does, both in evaluation mode; `net` if it has none.

    The two are compared on the first 10,000 of `images` (N, 28, 28), uint8. Raises: FoldError where they differ.
    """
    if isinstance(net.norm1, nn.Identity):
        return net
    plain = folded(net)
    check(plain, net, images[:CHECKED_IMAGES], mean, std)
    return plain


def folded(net: Net) -> Net:
    """Return a copy of a network with batch norm in which the convolutions do its work, computed in float64."""
    plain = copy.deepcopy(net).double().eval()
    for name in ("1", "2"):
        conv, norm = getattr(plain, f"conv{name}"), getattr(plain, f"norm{name}")
        setattr(plain, f"conv{name}", fuse_conv_bn_eval(conv, norm))
        setattr(plain, f"norm{name}", nn.Identity())
    return plain.float()


def check(plain: Net, trained: Net, images: Tensor, mean: float, std: float) -> None:
    """Raise FoldError unless both networks give the same log-probabilities of `images` but for rounding.

    Their digits are then the same too, but for ties.
    """
    expected = predict(trained, images, mean, std)
    scale = expected.abs().amax(dim=1, keepdim=True).clamp(min=1)
    difference = float(((predict(plain, images, mean, std) - expected).abs() / scale).max())
    if not difference <= TOLERANCE:  # so that nan is refused too
        raise FoldError(
            f"the winner's batch norm can't be folded into its weights: of {len(images):,} images, one has "
            f"log-probabilities that differ by {difference:.2g} of their size, more than {TOLERANCE:g}; "
            "search with batch_norm = false"
        )
