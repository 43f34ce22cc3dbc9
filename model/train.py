"""Training and evaluation: one loop, without Ray, files or printing."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.augment import augment, augments
from model.data import Dataset, Split, normalise
from model.hyperparameters import Hyperparameters
from model.interruptions import check
from model.network import Net
from model.precision import Precision
from model.seeds import derive_seed

EVALUATION_BATCH = {"cpu": 250, "cuda": 1000}  # on a CPU what its cache holds takes half the time of 1,000
WARM_UP = 0.3  # share of a one-cycle schedule in which the learning rate rises
Tensors = tuple[Tensor, ...] | list[Tensor]


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
    """All that training changes, and the (seed, number) that fix its random numbers.

    `average` is the moving average of the network's weights, where `ema_decay` is above 0.
    """

    hyperparameters: Hyperparameters
    seed: int
    number: int
    net: Net
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    epoch: int = 0

    @property
    def device(self) -> torch.device:
        """Return the device that holds the network."""
        return self.net.fc2.weight.device

    @property
    def trained(self) -> Net:
        """Return the network that is evaluated and exported: the average of the weights where there is one."""
        return self.net if self.average is None else cast(Net, self.average.module)


def start(hyperparameters: Hyperparameters, *, seed: int, number: int, device: torch.device) -> TrainingState:
    """Return an untrained network with its optimizer. Weights depend on (seed, number) alone, not on the device."""
    torch.manual_seed(derive_seed(seed, number, 0))
    net = new_network(hyperparameters, device)
    average = _average(net, hyperparameters.ema_decay) if hyperparameters.ema_decay > 0 else None
    return TrainingState(hyperparameters, seed, number, net, _optimizer(hyperparameters, net), average)


def new_network(hyperparameters: Hyperparameters, device: torch.device) -> Net:
    """Return a network with random weights. Its layout trains about 1.5 times as fast on CPUs, to the same numbers."""
    net: Net = Net(**hyperparameters.architecture()).to(device).to(memory_format=torch.channels_last)
    return net


def fit(training: TrainingState, data: Dataset, precision: Precision = "float32") -> Iterator[EpochMetrics]:
    """Train `training` from its epoch to its last and yield the figures of each epoch; `data` is on the same device.

    With "bfloat16" the products and convolutions of a training step are of that type; the weights, the evaluation and
    an export are always of float32 (Kalamkar et al. 2019, arXiv:1905.12322).
    """
    while training.epoch < training.hyperparameters.epochs:
        began = time.perf_counter()
        train_loss = _train_epoch(training, data, precision)
        train_seconds = time.perf_counter() - began
        training.epoch += 1
        val_loss, val_accuracy = evaluate(training.trained, data.val, data.mean, data.std)
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
    log_probabilities = []
    for batch in torch.split(images, EVALUATION_BATCH[images.device.type]):
        check()  # an export scores tens of thousands of images
        log_probabilities.append(net(normalise(batch, mean, std)))
    return torch.cat(log_probabilities)


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


def _train_epoch(training: TrainingState, data: Dataset, precision: Precision) -> float:
    """Train for one epoch and return the mean loss per image, in nats."""
    hp, net, optimizer = training.hyperparameters, training.net, training.optimizer
    reduced = precision == "bfloat16"
    torch.manual_seed(derive_seed(training.seed, training.number, training.epoch + 1))
    order = torch.randperm(len(data.train)).to(training.device)
    steps = math.ceil(len(data.train) / hp.batch_size)
    total = torch.zeros((), dtype=torch.float64, device=training.device)
    net.train()
    for step, rows in enumerate(torch.split(order, hp.batch_size)):
        progress = (training.epoch * steps + step) / (hp.epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(hp, training.epoch, progress)
        images, labels = data.train.images[rows], data.train.labels[rows]
        if augments(hp):
            images = augment(images, hp, _generator(training, step))
        with torch.autocast(training.device.type, torch.bfloat16, enabled=reduced):
            answers = net(normalise(images, data.mean, data.std)).float()
        # cross_entropy takes logits; log-probabilities are logits too (softmax leaves them as they are).
        loss = F.cross_entropy(answers, labels, label_smoothing=hp.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if training.average is not None:
            training.average.update_parameters(net)
        total += loss.detach() * len(labels)
    return float(total) / len(data.train)


def _generator(training: TrainingState, step: int) -> Generator:
    """Return the generator of what is drawn for the images of one step (from 0) of the present epoch, on the CPU."""
    return Generator().manual_seed(derive_seed(training.seed, training.number, training.epoch + 1, step))


def _average(net: Net, decay: float) -> AveragedModel:
    """Return a moving average of the weights and batch-norm statistics of `net`, to be updated after each step.

    After n steps its decay is min(decay, (1 + n) / (10 + n)), so that a short training soon forgets the first weights.
    """

    def update(averages: Tensors, weights: Tensors, steps: Tensor | int) -> None:
        n = int(steps)
        step = get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))  # type: ignore[no-untyped-call]
        step(averages, weights, steps)

    return AveragedModel(net, multi_avg_fn=update, use_buffers=True)


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
