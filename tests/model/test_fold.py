"""Batch norm and the average of the weights are folded into plain weights that answer as the trained network does."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from model.card import read_card
from model.data import Dataset, load_dataset
from model.export import read_export
from model.fold import CHECKED_IMAGES, TOLERANCE, FoldError, check, fold, folded
from model.hyperparameters import Hyperparameters
from model.network import Net
from model.train import TrainingState, fit, predict, start
from model.write_export import write_export
from tests.model.exports import alone

NORMED = Hyperparameters(
    conv1_width=4, conv2_width=6, hidden_width=16, pool="early", batch_norm=True, ema_decay=0.9, batch_size=16,
    epochs=2, learning_rate=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tiny_root: Path) -> Dataset:
    return load_dataset("mnist", tiny_root, validation_images=100)


@pytest.fixture(scope="module")
def state(data: Dataset) -> TrainingState:
    state = start(NORMED, seed=1, number=0, device=torch.device("cpu"))
    assert list(fit(state, data))[-1].val_accuracy > 0.5
    return state


def test_a_folded_network_is_plain_and_answers_the_same(state: TrainingState, data: Dataset) -> None:
    plain = fold(state.trained, data.val.images, data.mean, data.std)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    assert list(plain.state_dict()) == list(Net().state_dict())
    assert {weights.dtype for weights in plain.state_dict().values()} == {torch.float32}
    expected, found = (predict(net, data.test.images, data.mean, data.std) for net in (state.trained, plain))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(found.argmax(dim=1), expected.argmax(dim=1))


def test_folding_leaves_the_trained_network_as_it_was(state: TrainingState, data: Dataset) -> None:
    before = copy.deepcopy(state.trained.state_dict())
    fold(state.trained, data.val.images, data.mean, data.std)
    assert all(torch.equal(weights, before[name]) for name, weights in state.trained.state_dict().items())
    assert isinstance(state.trained.norm1, nn.BatchNorm2d)


def test_a_network_without_batch_norm_is_its_own_fold(data: Dataset) -> None:
    net = Net()
    assert fold(net, data.val.images, data.mean, data.std) is net


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_fold_that_answers_otherwise_is_refused(
    state: TrainingState, data: Dataset, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    def wrongly(net: Net) -> Net:
        plain = folded(net)
        plain.conv2.weight.data[0] *= factor
        return plain

    monkeypatch.setattr("model.fold.folded", wrongly)
    with pytest.raises(FoldError, match=r"can't be folded .* of 100 images.* search with batch_norm = false"):
        fold(state.trained, data.val.images, data.mean, data.std)


def test_the_check_allows_for_rounding_alone(state: TrainingState, data: Dataset) -> None:
    plain = folded(state.trained)
    check(plain, state.trained, data.val.images, data.mean, data.std)
    plain.fc2.bias.data[0] += 100 * TOLERANCE
    with pytest.raises(FoldError):
        check(plain, state.trained, data.val.images, data.mean, data.std)


def test_ten_thousand_images_are_compared_at_most(
    state: TrainingState, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counted(net: Net, images: torch.Tensor, mean: float, std: float) -> torch.Tensor:
        counts.append(len(images))
        return torch.zeros(len(images), 10)

    monkeypatch.setattr("model.fold.predict", counted)
    fold(state.trained, data.val.images[:1].expand(CHECKED_IMAGES + 1, 28, 28), data.mean, data.std)
    assert counts == [10_000, 10_000]


def test_an_export_of_folded_weights_is_plain_and_its_card_says_what_was_trained(
    state: TrainingState, data: Dataset, tmp_path: Path
) -> None:
    plain = fold(state.trained, data.val.images, data.mean, data.std)
    answers = predict(plain, data.test.images, data.mean, data.std)
    write_export(
        tmp_path / "export", plain.state_dict(), NORMED, classes=list(data.classes), mean=data.mean, std=data.std,
        metrics={}, provenance={}, labels=data.test.labels, probabilities=answers.exp(),
    )  # fmt: skip
    export, card = read_export(tmp_path / "export"), read_card(tmp_path / "export")
    assert export.hyperparameters == card.hyperparameters == NORMED
    torch.testing.assert_close(predict(export.net, data.test.images, data.mean, data.std), answers)
    arguments = NORMED.architecture() | {"batch_norm": False}
    assert card.num_parameters == sum(weights.numel() for weights in Net(**arguments).parameters())
    script = (
        "import torch; from mnist_cnn import Net; m = Net()\n"
        "m.load_state_dict(torch.load('mnist_cnn.pt', weights_only=True), strict=True); m.eval()\n"
        "import sys; assert not {'model', 'search'} & set(sys.modules)\n"
        "assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in m.modules())\n"
        "print(m(torch.ones(1, 1, 28, 28)).tolist())\n"
    )
    expected = state.trained.eval()(torch.ones(1, 1, 28, 28)).tolist()
    assert json.loads(alone(tmp_path / "export", script)) == [pytest.approx(row, abs=1e-4) for row in expected]


def test_weights_with_batch_norm_are_never_exported(state: TrainingState, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names must be conv1.weight, conv1.bias, conv2.weight"):
        write_export(
            tmp_path / "export", state.trained.state_dict(), NORMED, classes=list("0123456789"), mean=0.1, std=0.3,
            metrics={}, provenance={}, labels=torch.tensor([1]), probabilities=torch.eye(10)[:1],
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
