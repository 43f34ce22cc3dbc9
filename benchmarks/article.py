"""The other side: the training loop of the tutorial article, as it feeds and trains its network on this machine."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from model.data import data_root
from model.network import Net

Batches = DataLoader[Any]
MEAN, STD = 0.1307, 0.3081  # of MNIST's pixels, as the article has them


def images_per_second(images: int) -> float:
    """Train the article's network for one epoch of so many images of MNIST and return its speed."""
    net, loader = Net(), batches(range(images), 64)
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    began = time.perf_counter()
    train_epoch(net, loader, optimizer)
    return images / (time.perf_counter() - began)


def batches(rows: Iterable[int], size: int, train: bool = True) -> Batches:
    """Return a DataLoader without processes, of some of MNIST's images in random order, each prepared anew."""
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    mnist = datasets.MNIST(str(data_root()), train=train, transform=prepare)
    return DataLoader(Subset(mnist, list(rows)), batch_size=size, shuffle=train)


def train_epoch(net: Net, loader: Batches, optimizer: torch.optim.Optimizer) -> None:
    net.train()
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(net(batch), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def accuracy(net: Net, loader: Batches) -> float:
    net.eval()
    right = sum(int((net(batch).argmax(dim=1) == labels).sum()) for batch, labels in loader)
    return right / len(loader.dataset)  # type: ignore[arg-type]


def train_and_test() -> float:
    """Train as the article does, 14 epochs with a test after each, and return the accuracy on the test images."""
    torch.manual_seed(1)
    loader, test = batches(range(60_000), 64), batches(range(10_000), 1000, train=False)
    *_, reached = accuracies(Net(), 1.0, 14, loader, test)
    return reached


def accuracies(net: Net, rate: float, epochs: int, loader: Batches, others: Batches) -> Iterator[float]:
    """Yield the accuracy on the images of `others` after each epoch of training with the article's optimizer."""
    optimizer = torch.optim.Adadelta(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(epochs):
        train_epoch(net, loader, optimizer)
        yield accuracy(net, others)
        schedule.step()
