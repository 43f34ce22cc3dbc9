"""Rows divided by label: the same parts as scikit-learn's, which earlier runs were divided by."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split

from model.division import divided


@pytest.mark.parametrize("seed", range(200))
def test_parts_are_those_of_scikit_learn(seed: int) -> None:
    random = np.random.RandomState(seed)
    labels = torch.tensor(random.randint(0, random.randint(1, 11), size=random.randint(4, 400)))
    rows = random.permutation(len(labels))[: random.randint(3, len(labels) + 1)].tolist()
    size = random.randint(1, len(rows))
    counts = torch.bincount(labels[rows])
    counts = counts[counts > 0]
    enough = int(counts.min()) >= 2 and len(counts) <= min(size, len(rows) - size)
    stratify = labels[rows] if enough else None
    expected = train_test_split(rows, train_size=size, stratify=stratify, random_state=seed)
    assert list(divided(rows, labels, size, seed)) == expected
