"""What a person can look at of a trained network: its first kernels, and the test images it is most wrong about."""

import base64
import json

import torch
from torch import Tensor

from model.network import Net

MOST = 40  # mistakes that are kept as pictures


def insight(net: Net, images: Tensor, labels: Tensor, probabilities: Tensor) -> bytes:
    """Return the contents of insight.json: "kernels" and "mistakes", for readers without torch.

    "kernels" are the weights (C, k, k) of the first convolution. "mistakes" are the wrong predictions with the highest
    probabilities, the worst first, each with its index, label, prediction, probability and pixels: 28x28 bytes in
    base64, 0 where there is no ink. `images` (N, 28, 28) as uint8, `labels` (N,) and `probabilities` (N, 10) are those
    of the test images.
    """
    kernels = net.conv1.weight.detach().squeeze(1).cpu()
    best, predictions = probabilities.max(dim=1)
    wrong = torch.nonzero(predictions != labels).flatten()
    worst = wrong[best[wrong].argsort(descending=True, stable=True)][:MOST].tolist()
    mistakes = [
        {
            "index": index,
            "label": int(labels[index]),
            "prediction": int(predictions[index]),
            "probability": round(float(best[index]), 6),
            "pixels": base64.b64encode(images[index].cpu().numpy().tobytes()).decode("ascii"),
        }
        for index in worst
    ]
    rounded = [[[round(weight, 5) for weight in row] for row in kernel] for kernel in kernels.tolist()]
    return json.dumps({"kernels": rounded, "mistakes": mistakes}).encode()
