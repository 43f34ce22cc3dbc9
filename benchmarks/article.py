"""The other side: the training loop of the tutorial article, as it feeds and trains its network on this machine."""

import time

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from model.data import data_root
from model.network import Net

MEAN, STD = 0.1307, 0.3081  # of MNIST's pixels, as the article has them


def images_per_second(images: int) -> float:
    """Train the article's network for one epoch of so many images of MNIST and return its speed.

    Batches of 64 in random order from a DataLoader without processes, ToTensor and Normalize for each image, Adadelta.
    """
    prepare = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    mnist = datasets.MNIST(str(data_root()), train=True, transform=prepare)
    loader = DataLoader(Subset(mnist, range(images)), batch_size=64, shuffle=True)
    torch.manual_seed(1)
    net = Net()
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    net.train()
    began = time.perf_counter()
    for batch, labels in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(net(batch), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return images / (time.perf_counter() - began)
