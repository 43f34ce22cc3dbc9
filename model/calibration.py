"""Calibration: probabilities made to be right as often as they say, and how far from that they are."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 15
LARGEST = math.log(100)  # of the temperature's logarithm, either way; only weights that say nothing come near it


def calibrated(log_probabilities: Tensor, temperature: float) -> Tensor:
    """Return log-probabilities (N, 10) at a temperature: more even above 1, surer below; the best class stays."""
    return F.log_softmax(log_probabilities / temperature, dim=1)


def fit_temperature(log_probabilities: Tensor, labels: Tensor) -> float:
    """Return the temperature at which log-probabilities (N, 10) suit the labels (N,) of images best; 1 for no images.

    It minimises their negative log-likelihood (Guo et al. 2017, arXiv:1706.04599). The images must be new to the
    weights, which are far too sure of those that they were trained on. Where all answers are right the likelihood alone
    would rise without end as the temperature falls to 0. So its logarithm has a normal prior about 0 of deviation 1: a
    dozen mistakes outweigh it.
    """
    from scipy.optimize import minimize_scalar  # not at the top: who classifies pictures need not wait for it

    log_probabilities = log_probabilities.double()

    def cost(log_temperature: float) -> float:
        answers = calibrated(log_probabilities, math.exp(log_temperature))
        return float(F.nll_loss(answers, labels, reduction="sum")) + log_temperature**2 / 2

    return math.exp(minimize_scalar(cost, bounds=(-LARGEST, LARGEST), method="bounded").x)


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Return the expected calibration error of probabilities (N, 10): how far they are from how often they are right.

    Images are put into 15 bins of equal width by the probability of the answer; the error is the mean over images of
    the distance, in their bin, between mean probability and accuracy (Guo et al. 2017, arXiv:1706.04599).
    """
    probability, answer = probabilities.double().max(dim=1)
    bins = (probability * BINS).ceil().long().clamp(1, BINS) - 1
    surplus = torch.zeros(BINS, dtype=torch.float64)
    surplus.index_add_(0, bins, probability - (answer == labels).double())
    return float(surplus.abs().sum() / len(labels))
