"""The network: two convolutions and two linear layers. Its defaults are exactly the article's."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """The network from images (N, 1, 28, 28), normalised, to log-probabilities (N, 10).

    `pool` is "late" (2x2 max-pool after the second convolution, as in the article) or "early" (after each
    convolution: 5 to 10 times less work). `batch_norm` puts batch norm (Ioffe & Szegedy 2015, arXiv:1502.03167) after
    each convolution. Raises: ValueError where kernel and pooling leave no pixels.
    """

    def __init__(
        self,
        *,
        conv1_width: int = 32,
        conv2_width: int = 64,
        kernel_size: int = 3,
        hidden_width: int = 128,
        dropout1: float = 0.25,
        dropout2: float = 0.5,
        pool: str = "late",
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.pool = pool
        side = 28 - (kernel_size - 1)
        side = (side // 2 if pool == "early" else side) - (kernel_size - 1)
        side //= 2
        if side < 1:
            raise ValueError(f"kernel_size {kernel_size} with pool {pool!r} leaves no pixels of 28x28; use 3, 5 or 7")
        # Batch norm subtracts the mean, and any bias with it.
        self.conv1 = nn.Conv2d(1, conv1_width, kernel_size, bias=not batch_norm)
        self.norm1 = nn.BatchNorm2d(conv1_width) if batch_norm else nn.Identity()
        self.conv2 = nn.Conv2d(conv1_width, conv2_width, kernel_size, bias=not batch_norm)
        self.norm2 = nn.BatchNorm2d(conv2_width) if batch_norm else nn.Identity()
        self.dropout1 = nn.Dropout(dropout1)
        self.dropout2 = nn.Dropout(dropout2)
        self.fc1 = nn.Linear(conv2_width * side * side, hidden_width)
        self.fc2 = nn.Linear(hidden_width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-probabilities (N, 10) of normalised images (N, 1, 28, 28)."""
        return F.log_softmax(self.logits(self.features(x)), dim=1)

    def features(self, x: Tensor) -> Tensor:
        """Return what the convolutions find in normalised images (N, 1, 28, 28): (N, F)."""
        x = self.norm1(self.conv1(x))
        if self.pool == "early":
            x = F.max_pool2d(x, 2)
        # Pooling before ReLU gives the same numbers as after it, for a quarter of the work.
        x = self.norm2(self.conv2(F.relu(x)))
        x = self.dropout1(F.relu(F.max_pool2d(x, 2)))
        return torch.flatten(x, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (N, 10) of features (N, F)."""
        logits: Tensor = self.fc2(self.dropout2(F.relu(self.fc1(x))))
        return logits
