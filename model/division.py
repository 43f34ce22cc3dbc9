"""Divide rows into two parts that hold each label in the same proportion."""

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState
from torch import Tensor


def divided(rows: Sequence[int], labels: Tensor, size: int, seed: int) -> tuple[list[int], list[int]]:
    """Divide `rows` into `size` of them and the others, both in random order; `labels` (N,) are those of all rows.

    They are stratified by label where there are enough of each. The parts are those of scikit-learn's
    `train_test_split`, row for row, whose import would take longer than to read MNIST.
    """
    chosen = np.asarray(rows)
    _, kinds, counts = np.unique(labels.numpy()[chosen], return_inverse=True, return_counts=True)
    random, others = RandomState(seed), len(chosen) - size
    if counts.min() < 2 or len(counts) > min(size, others):
        order = random.permutation(len(chosen))
        first, second = order[others:], order[:others]
    else:
        shares = _shares(counts, size, random)
        _shares(counts - shares, others, random)  # draws as much as scikit-learn does, though it leaves no choice
        places = np.split(np.argsort(kinds, kind="stable"), np.cumsum(counts)[:-1])
        shuffled = [place[random.permutation(len(place))] for place in places]
        first = random.permutation(np.concatenate([p[:n] for p, n in zip(shuffled, shares, strict=True)]))
        second = random.permutation(np.concatenate([p[n:] for p, n in zip(shuffled, shares, strict=True)]))
    return chosen[first].tolist(), chosen[second].tolist()


def _shares(counts: np.ndarray, size: int, random: RandomState) -> np.ndarray:
    """Return how many of each label's rows are among `size` of all: their expected number, rounded down or up.

    Those with the largest remainder are rounded up; among equal ones `random` decides.
    """
    expected = counts / counts.sum() * size
    shares = np.floor(expected)
    remainders, missing = expected - shares, int(size - shares.sum())
    for remainder in np.unique(remainders)[::-1]:
        if not missing:
            break
        (equal,) = np.nonzero(remainders == remainder)
        rounded_up = random.choice(equal, size=min(len(equal), missing), replace=False)
        shares[rounded_up] += 1
        missing -= len(rounded_up)
    whole: np.ndarray = shares.astype(int)
    return whole
