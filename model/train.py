"""Training and evaluation: a loop that reads from top to bottom and knows nothing of Ray, files or printing."""

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.data import Dataset, Split, batches
from model.hyperparameters import Hyperparameters
from model.network import Net

EVALUATION_BATCH = 1000
WARM_UP = 0.3  # share of a one-cycle schedule in which the learning rate rises


@dataclass(frozen=True)
class EpochMetrics:
    """One pass over the training images. Losses are means per image; `seconds` includes the evaluation,
    `images_per_second` is training alone."""

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    seconds: float
    images_per_second: float


@dataclass
class TrainingState:
    """All that training changes, and the (seed, number) that its randomness is a function of."""

    hyperparameters: Hyperparameters
    seed: int
    number: int
    net: Net
    optimizer: torch.optim.Optimizer
    epoch: int = 0

    @property
    def device(self) -> torch.device:
        return self.net.fc2.weight.device


def derive_seed(*parts: int) -> int:
    """A 63-bit seed that is a function of all parts and alike for no two: (seed, trial number, epoch), say."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def start(hyperparameters: Hyperparameters, *, seed: int, number: int, device: torch.device) -> TrainingState:
    """An untrained network and its optimizer. Weights depend on (seed, number) alone, not on the device."""
    torch.manual_seed(derive_seed(seed, number, 0))
    net = Net(**hyperparameters.architecture()).to(device)
    # On CPUs convolutions in this layout train about 1.5 times as fast; the numbers' meaning is unchanged.
    net.to(memory_format=torch.channels_last)
    return TrainingState(hyperparameters, seed, number, net, _optimizer(hyperparameters, net))


def fit(state: TrainingState, data: Dataset) -> Iterator[EpochMetrics]:
    """Train `state` from its epoch to its last, yielding after each epoch. `data` lies on the state's device."""
    while state.epoch < state.hyperparameters.epochs:
        began = time.perf_counter()
        train_loss = _train_epoch(state, data)
        train_seconds = time.perf_counter() - began
        state.epoch += 1
        val_loss, val_accuracy = evaluate(state.net, data.val, data.mean, data.std)
        seconds = time.perf_counter() - began
        yield EpochMetrics(
            state.epoch, train_loss, val_loss, val_accuracy, seconds, len(data.train) / max(train_seconds, 1e-9)
        )


def evaluate(net: Net, split: Split, mean: float, std: float) -> tuple[float, float]:
    """Mean negative log-likelihood and accuracy over `split`."""
    log_probabilities = predict(net, split.images, mean, std)
    loss = F.nll_loss(log_probabilities, split.labels)
    accuracy = (log_probabilities.argmax(dim=1) == split.labels).double().mean()
    return float(loss), float(accuracy)


@torch.inference_mode()
def predict(net: Net, images: Tensor, mean: float, std: float) -> Tensor:
    """Log-probabilities (N, 10) of uint8 images (N, 28, 28), dropout off."""
    net.eval()
    placeholder = Split(images, torch.zeros(len(images), dtype=torch.int64, device=images.device))
    parts = [net(batch) for batch, _ in batches(placeholder, EVALUATION_BATCH, mean, std)]
    return torch.cat(parts)


def learning_rate_at(hyperparameters: Hyperparameters, epoch: int, progress: float) -> float:
    """The learning rate in `epoch` (from 0) at `progress` (0 to 1, of all steps): a pure function, so nothing of a
    schedule need be saved. One-cycle: linear warm-up, then cosine to zero (Smith & Topin 2018, arXiv:1708.07120).
    """
    peak = hyperparameters.learning_rate
    if hyperparameters.schedule == "step":
        return peak * float(hyperparameters.gamma**epoch)
    if hyperparameters.schedule == "constant":
        return peak
    if progress < WARM_UP:
        return peak * (0.04 + 0.96 * progress / WARM_UP)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def _train_epoch(state: TrainingState, data: Dataset) -> float:
    hp, net, optimizer = state.hyperparameters, state.net, state.optimizer
    torch.manual_seed(derive_seed(state.seed, state.number, state.epoch + 1))
    order = torch.randperm(len(data.train)).to(state.device)
    steps = math.ceil(len(data.train) / hp.batch_size)
    total = torch.zeros((), dtype=torch.float64, device=state.device)
    net.train()
    for step, (images, labels) in enumerate(batches(data.train, hp.batch_size, data.mean, data.std, order)):
        progress = (state.epoch * steps + step) / (hp.epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(hp, state.epoch, progress)
        # cross_entropy takes logits; log-probabilities are logits too (softmax leaves them as they are).
        loss = F.cross_entropy(net(images), labels, label_smoothing=hp.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(labels)
    return float(total) / len(data.train)


def _optimizer(hp: Hyperparameters, net: Net) -> torch.optim.Optimizer:
    if hp.optimizer == "adadelta":
        return torch.optim.Adadelta(net.parameters(), lr=hp.learning_rate, weight_decay=hp.weight_decay)
    if hp.optimizer == "adamw":
        return torch.optim.AdamW(net.parameters(), lr=hp.learning_rate, weight_decay=hp.weight_decay)
    return torch.optim.SGD(
        net.parameters(),
        lr=hp.learning_rate,
        momentum=hp.momentum,
        nesterov=hp.momentum > 0,
        weight_decay=hp.weight_decay,
    )
