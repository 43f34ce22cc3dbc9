"""Training and evaluation: one loop, without Ray, files or printing."""

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
from model.seeds import derive_seed

EVALUATION_BATCH = 1000
WARM_UP = 0.3  # share of a one-cycle schedule in which the learning rate rises


@dataclass(frozen=True)
class EpochMetrics:
    """The figures of one pass over the training images.

    Losses are means per image, in nats; `seconds` includes the evaluation, `images_per_second` is training alone.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    seconds: float
    images_per_second: float


@dataclass
class TrainingState:
    """All that training changes, and the (seed, number) that fix its random numbers."""

    hyperparameters: Hyperparameters
    seed: int
    number: int
    net: Net
    optimizer: torch.optim.Optimizer
    epoch: int = 0

    @property
    def device(self) -> torch.device:
        """Return the device that holds the network."""
        return self.net.fc2.weight.device


def start(hyperparameters: Hyperparameters, *, seed: int, number: int, device: torch.device) -> TrainingState:
    """Return an untrained network with its optimizer. Weights depend on (seed, number) alone, not on the device."""
    torch.manual_seed(derive_seed(seed, number, 0))
    net = Net(**hyperparameters.architecture()).to(device)
    # Convolutions in this layout train about 1.5 times as fast on CPUs; what they compute is the same.
    net.to(memory_format=torch.channels_last)
    return TrainingState(hyperparameters, seed, number, net, _optimizer(hyperparameters, net))


def fit(training: TrainingState, data: Dataset) -> Iterator[EpochMetrics]:
    """Train `training` from its epoch to its last and yield the figures of each epoch; `data` is on the same device."""
    while training.epoch < training.hyperparameters.epochs:
        began = time.perf_counter()
        train_loss = _train_epoch(training, data)
        train_seconds = time.perf_counter() - began
        training.epoch += 1
        val_loss, val_accuracy = evaluate(training.net, data.val, data.mean, data.std)
        seconds = time.perf_counter() - began
        yield EpochMetrics(
            training.epoch, train_loss, val_loss, val_accuracy, seconds, len(data.train) / max(train_seconds, 1e-9)
        )


def evaluate(net: Net, split: Split, mean: float, std: float) -> tuple[float, float]:
    """Return the network's mean negative log-likelihood (nats per image) and accuracy (0 to 1) over `split`."""
    log_probabilities = predict(net, split.images, mean, std)
    loss = F.nll_loss(log_probabilities, split.labels)
    accuracy = (log_probabilities.argmax(dim=1) == split.labels).double().mean()
    return float(loss), float(accuracy)


@torch.inference_mode()
def predict(net: Net, images: Tensor, mean: float, std: float) -> Tensor:
    """Return the network's log-probabilities (N, 10) of uint8 images (N, 28, 28), with dropout off."""
    net.eval()
    placeholder = Split(images, torch.zeros(len(images), dtype=torch.int64, device=images.device))
    parts = [net(batch) for batch, _ in batches(placeholder, EVALUATION_BATCH, mean, std)]
    return torch.cat(parts)


def learning_rate_at(hyperparameters: Hyperparameters, epoch: int, progress: float) -> float:
    """Return the learning rate in `epoch` (from 0) at `progress` (0 to 1, of all steps), from nothing else.

    One-cycle: linear warm-up, then cosine to zero (Smith & Topin 2018, arXiv:1708.07120).
    """
    peak = hyperparameters.learning_rate
    if hyperparameters.schedule == "step":
        return peak * float(hyperparameters.gamma**epoch)
    if hyperparameters.schedule == "constant":
        return peak
    if progress < WARM_UP:
        return peak * (0.04 + 0.96 * progress / WARM_UP)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def _train_epoch(training: TrainingState, data: Dataset) -> float:
    """Train for one epoch and return the mean loss per image, in nats."""
    hp, net, optimizer = training.hyperparameters, training.net, training.optimizer
    torch.manual_seed(derive_seed(training.seed, training.number, training.epoch + 1))
    order = torch.randperm(len(data.train)).to(training.device)
    steps = math.ceil(len(data.train) / hp.batch_size)
    total = torch.zeros((), dtype=torch.float64, device=training.device)
    net.train()
    for step, (images, labels) in enumerate(batches(data.train, hp.batch_size, data.mean, data.std, order)):
        progress = (training.epoch * steps + step) / (hp.epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(hp, training.epoch, progress)
        # cross_entropy takes logits; log-probabilities are logits too (softmax leaves them as they are).
        loss = F.cross_entropy(net(images), labels, label_smoothing=hp.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(labels)
    return float(total) / len(data.train)


def _optimizer(hp: Hyperparameters, net: Net) -> torch.optim.Optimizer:
    """Return a new optimizer for the network's parameters."""
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
