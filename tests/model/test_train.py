"""Training learns, depends on its seeds alone, and continues exactly from a checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model import train
from model.checkpoint import load, save
from model.data import Dataset, Split, load_dataset
from model.hyperparameters import PLANNED_SCHEDULES, Hyperparameters, Schedule
from model.seeds import derive_seed
from model.train import TrainingState, evaluate, fit, learning_rate_at, predict, start
from tests.model.article import ArticleNet

CPU = torch.device("cpu")
SMALL = {"conv1_width": 4, "conv2_width": 4, "hidden_width": 16, "pool": "early", "epochs": 3}


@pytest.fixture(scope="module")
def data(tiny_root: Path) -> Dataset:
    return load_dataset("mnist", tiny_root, validation_images=100)


def begin(number: int = 0, **changes: object) -> TrainingState:
    return start(Hyperparameters(**{**SMALL, **changes}), seed=5, number=number, device=CPU)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "learning_rate": 0.01, "schedule": "one-cycle"},
        {"optimizer": "sgd", "learning_rate": 0.05, "schedule": "constant", "label_smoothing": 0.1},
        {"optimizer": "adamw", "learning_rate": 0.01, "batch_norm": True, "ema_decay": 0.99, "rotation": 5.0},
    ],
    ids=lambda changes: "_".join(map(str, changes.values())),
)
def test_learns(data: Dataset, changes: dict[str, object]) -> None:
    metrics = list(fit(begin(batch_size=16, dropout1=0.0, dropout2=0.0, **changes), data))
    assert [epoch.epoch for epoch in metrics] == [1, 2, 3]
    assert metrics[-1].val_accuracy > 0.9
    assert metrics[-1].train_loss < metrics[0].train_loss
    assert all(epoch.seconds > 0 and epoch.images_per_second > 0 for epoch in metrics)


def curve(data: Dataset, state: TrainingState) -> list[tuple[float, ...]]:
    return [(epoch.train_loss, epoch.val_loss, epoch.val_accuracy) for epoch in fit(state, data)]


def test_is_a_function_of_seed_and_number(data: Dataset) -> None:
    first = curve(data, begin())
    torch.manual_seed(99)  # earlier random numbers of this process must not matter
    assert curve(data, begin()) == first
    assert curve(data, begin(number=1)) != first


AUGMENTED = {"rotation": 9.0, "shift": 2.0, "scale": 0.1, "shear": 0.1, "elastic": 2.0, "thickness": 0.5, "blur": 0.5}
AUGMENTED |= {"contrast": 0.2, "noise": 0.05}


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adadelta"},
        {"optimizer": "adamw"},
        {"optimizer": "sgd"},
        {"batch_norm": True},
        {"ema_decay": 0.9},
        AUGMENTED,
        {"batch_norm": True, "ema_decay": 0.9, **AUGMENTED},
    ],
    ids=lambda changes: "_".join(changes) if len(changes) < 3 else f"{len(changes)} fields",
)
def test_resumes_exactly(data: Dataset, tmp_path: Path, changes: dict[str, object]) -> None:
    changes = {"learning_rate": 0.05, "schedule": "one-cycle", **changes}
    whole = begin(**changes)
    expected = curve(data, whole)
    state = begin(**changes)
    next(fit(state, data))
    save(state, tmp_path)
    torch.manual_seed(12345)
    resumed = load(tmp_path, CPU)
    assert resumed.epoch == 1
    assert curve(data, resumed) == expected[1:]
    for before, after in ((whole.net, resumed.net), (whole.trained, resumed.trained)):
        assert all(torch.equal(weights, after.state_dict()[key]) for key, weights in before.state_dict().items())


def test_the_article_s_recipe_is_a_plain_loop_bit_for_bit(data: Dataset) -> None:
    """What the fields beyond the recipe need must not touch it."""
    few = Split(data.train.images[:130], data.train.labels[:130])
    data = replace(data, train=few)
    state = start(Hyperparameters(epochs=2), seed=5, number=0, device=CPU)
    losses = [epoch.train_loss for epoch in fit(state, data)]

    torch.manual_seed(derive_seed(5, 0, 0))
    net = ArticleNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    for epoch, expected in enumerate(losses):
        torch.manual_seed(derive_seed(5, 0, epoch + 1))
        total = torch.zeros((), dtype=torch.float64)
        for rows in torch.randperm(len(data.train)).split(64):
            images = (data.train.images[rows, None].float() - 255 * data.mean) / (255 * data.std)
            optimizer.param_groups[0]["lr"] = 0.7**epoch
            loss = F.cross_entropy(net(images), data.train.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        assert float(total) / len(data.train) == expected
    for name, weights in net.state_dict().items():
        assert torch.equal(state.net.state_dict()[name], weights), name


def test_the_average_is_of_the_weights_after_each_step_and_warms_up(data: Dataset) -> None:
    state = begin(ema_decay=0.8, batch_norm=True, epochs=1)
    steps: list[dict[str, Tensor]] = []
    state.optimizer.register_step_post_hook(
        lambda *_: steps.append({name: value.clone() for name, value in state.net.state_dict().items()})
    )
    (metrics,) = fit(state, data)
    expected = steps[0]
    for n, weights in enumerate(steps[1:], start=1):
        decay = min(0.8, (1 + n) / (10 + n))
        expected = {name: decay * value + (1 - decay) * weights[name] for name, value in expected.items()}
    averaged = state.trained.state_dict()
    for name in expected:
        if "num_batches" not in name:
            torch.testing.assert_close(averaged[name], expected[name], msg=name)
            assert not torch.equal(averaged[name], state.net.state_dict()[name]), name
    assert "norm1.running_var" in averaged
    assert (metrics.val_loss, metrics.val_accuracy) == evaluate(state.trained, data.val, data.mean, data.std)
    assert metrics.val_loss != evaluate(state.net, data.val, data.mean, data.std)[0]


def test_the_average_leaves_the_training_alone(data: Dataset) -> None:
    plain, averaged = begin(), begin(ema_decay=0.9)
    losses = [[epoch.train_loss for epoch in fit(state, data)] for state in (plain, averaged)]
    assert losses[0] == losses[1]
    assert plain.trained is plain.net
    assert plain.average is None


def test_what_is_drawn_for_images_depends_on_seed_number_epoch_and_step_alone(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(state: TrainingState) -> list[int]:
        """Return a number drawn in each step of two epochs, by the generator that changes the images."""
        numbers: list[int] = []

        def record(images: Tensor, _: Hyperparameters, generator: torch.Generator) -> Tensor:
            numbers.append(int(torch.randint(2**62, (), generator=generator)))
            return images

        monkeypatch.setattr(train, "augment", record)
        list(fit(state, data))
        return numbers

    first = drawn(begin(shift=1.0, epochs=2, batch_size=100))
    assert len(set(first)) == len(first) == 10
    assert drawn(begin(shift=1.0, epochs=2, batch_size=100, dropout1=0.5, optimizer="sgd")) == first
    assert not set(drawn(begin(number=1, shift=1.0, epochs=2, batch_size=100))) & set(first)
    assert drawn(begin(epochs=2, batch_size=100)) == []  # no strength, nothing drawn


def test_a_training_sees_changed_images(data: Dataset) -> None:
    augmented, plain = ([epoch.train_loss for epoch in fit(begin(**changes), data)] for changes in (AUGMENTED, {}))
    assert all(one != other for one, other in zip(augmented, plain, strict=True))


def test_evaluate_agrees_with_predict(data: Dataset) -> None:
    state = begin()
    log_probabilities = predict(state.net, data.val.images, data.mean, data.std)
    right = [int(row.argmax()) == int(label) for row, label in zip(log_probabilities, data.val.labels, strict=True)]
    picked = [-float(row[label]) for row, label in zip(log_probabilities, data.val.labels, strict=True)]
    loss, accuracy = evaluate(state.net, data.val, data.mean, data.std)
    assert accuracy == pytest.approx(sum(right) / 100)
    assert loss == pytest.approx(sum(picked) / 100, rel=1e-5)


def test_schedules() -> None:
    step = Hyperparameters(learning_rate=2.0, gamma=0.5)
    assert [learning_rate_at(step, epoch, 0.0) for epoch in range(3)] == [2.0, 1.0, 0.5]
    constant = Hyperparameters(learning_rate=2.0, schedule="constant")
    assert learning_rate_at(constant, 9, 0.9) == 2.0
    cycle = Hyperparameters(learning_rate=2.0, schedule="one-cycle")
    assert learning_rate_at(cycle, 0, 0.0) == pytest.approx(0.08)
    assert learning_rate_at(cycle, 0, 0.3) == pytest.approx(2.0)
    assert learning_rate_at(cycle, 0, 0.65) == pytest.approx(1.0)
    assert learning_rate_at(cycle, 0, 1.0) == pytest.approx(0.0)


def test_derived_seeds_differ() -> None:
    seeds = {derive_seed(seed, number, epoch) for seed in range(5) for number in range(5) for epoch in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_fit_prints_nothing(data: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    list(fit(begin(), data))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("schedule", get_args(Schedule))
def test_a_schedule_depends_on_the_planned_epochs_only_where_it_says_so(schedule: Schedule) -> None:
    def rates(epochs: int) -> list[float]:
        hyperparameters = Hyperparameters(schedule=schedule, epochs=epochs)
        return [learning_rate_at(hyperparameters, epoch, epoch / epochs) for epoch in range(3)]

    assert (rates(3) != rates(14)) == (schedule in PLANNED_SCHEDULES)
