"""Net is the article's network, and its variants have the parameter counts that arithmetic gives."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model.hyperparameters import RECIPE
from model.network import Net
from tests.model.article import ArticleNet


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
        ({"batch_norm": True}, 1_199_882 - 32 - 64 + 2 * 32 + 2 * 64),  # a scale and a shift, but no bias
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


@pytest.mark.parametrize("pool", ["late", "early"])
def test_batch_norm_comes_after_each_convolution_and_before_relu(pool: str) -> None:
    net = Net(conv1_width=3, conv2_width=5, hidden_width=4, dropout1=0.0, dropout2=0.0, pool=pool, batch_norm=True)
    images = torch.rand(6, 1, 28, 28)

    def normed(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()

    x = F.relu(normed(net.conv1(images)))
    x = F.relu(normed(net.conv2(F.max_pool2d(x, 2) if pool == "early" else x)))
    x = F.relu(net.fc1(F.max_pool2d(x, 2).flatten(1)))
    torch.testing.assert_close(net.train()(images), F.log_softmax(net.fc2(x), dim=1), atol=1e-5, rtol=1e-4)
    assert torch.equal(net.norm1.num_batches_tracked, torch.tensor(1))
