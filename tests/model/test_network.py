"""Net is the article's network, and its variants have the parameter counts that arithmetic gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model.hyperparameters import RECIPE
from model.network import Net


class ArticleNet(nn.Module):
    """The network as written in the article."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_default_is_the_articles_network() -> None:
    ours, article = Net(), ArticleNet()
    assert count(ours) == 1_199_882
    assert {key.partition(".")[0] for key in ours.state_dict()} == {"conv1", "conv2", "fc1", "fc2"}
    ours.load_state_dict(article.state_dict())
    article.load_state_dict(ours.state_dict())
    images = torch.rand(7, 1, 28, 28)
    torch.testing.assert_close(ours.eval()(images), article.eval()(images))


def test_training_behaviour_is_the_articles_too() -> None:
    ours, article = Net(), ArticleNet()
    ours.load_state_dict(article.state_dict())
    images = torch.rand(7, 1, 28, 28)
    outputs = []
    for net in (ours, article):
        torch.manual_seed(3)
        outputs.append(net.train()(images))
    torch.testing.assert_close(*outputs)


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({"conv1_width": 16}, 1_199_882 - 16 * 10 - 16 * 64 * 9),
        ({"kernel_size": 5, "pool": "early"}, 26 * 32 + (25 * 32 + 1) * 64 + (4 * 4 * 64 + 1) * 128 + 1290),
        ({"kernel_size": 7, "pool": "early"}, 50 * 32 + (49 * 32 + 1) * 64 + (2 * 2 * 64 + 1) * 128 + 1290),
        ({"kernel_size": 7, "hidden_width": 10}, 50 * 32 + (49 * 32 + 1) * 64 + (8 * 8 * 64 + 1) * 10 + 110),
    ],
)
def test_parameter_counts_and_shapes(arguments: dict[str, object], parameters: int) -> None:
    net = Net(**arguments)  # type: ignore[arg-type]
    assert count(net) == parameters
    assert net(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_log_probabilities_sum_to_one() -> None:
    assert torch.allclose(Net().eval()(torch.rand(5, 1, 28, 28)).exp().sum(dim=1), torch.ones(5))


def test_no_pixels_left_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves no pixels"):
        Net(kernel_size=11, pool="early")


def test_defaults_are_the_recipe() -> None:
    net = Net(**RECIPE.architecture())
    assert count(net) == 1_199_882
    assert (RECIPE.optimizer, RECIPE.learning_rate, RECIPE.gamma, RECIPE.batch_size, RECIPE.epochs) == (
        "adadelta", 1.0, 0.7, 64, 14,
    )  # fmt: skip
