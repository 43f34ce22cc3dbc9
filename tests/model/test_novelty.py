"""An image is novel to a network where it has little in common with the training images; an export carries the rule."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.card import NOVELTY, ExportError, read_whole
from model.export import read_export
from model.network import Net
from model.novelty import FEWEST, Novelty, fit_novelty, novelty
from tests.model.exports import write


def bars(images: int, seed: int) -> Tensor:
    """Return images (N, 1, 28, 28) of one bar somewhere, of some strength."""
    random = torch.Generator().manual_seed(seed)
    made = torch.zeros(images, 1, 28, 28)
    for image, row in zip(made, torch.randint(4, 22, (images,), generator=random).tolist(), strict=True):
        image[0, row : row + 3, 6:22] = float(0.6 + 0.4 * torch.rand(1, generator=random))
    return made


@pytest.fixture
def fitted(net: Net) -> Novelty:
    found = fit_novelty(net, bars(500, 0), bars(FEWEST, 1))
    assert found is not None
    return found


def test_noise_is_novel_to_a_network_that_is_used_to_bars_and_new_bars_are_not(net: Net, fitted: Novelty) -> None:
    noise = torch.rand(200, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    assert bool((novelty(net, noise, fitted) > fitted.limit).all())
    assert float((novelty(net, bars(2_000, 2), fitted) > fitted.limit).float().mean()) < 0.02


def test_one_in_250_of_the_unseen_images_lies_beyond_the_limit(net: Net, fitted: Novelty) -> None:
    assert int((novelty(net, bars(FEWEST, 1), fitted) > fitted.limit).sum()) == FEWEST // 250


def test_the_rule_is_the_same_again_and_no_random_number_is_used_up(net: Net, fitted: Novelty) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = fit_novelty(net, bars(500, 0), bars(FEWEST, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert again is not None
    assert all(torch.equal(tensor, asdict(fitted)[name]) for name, tensor in asdict(again).items())


def test_too_few_unseen_images_give_no_rule(net: Net) -> None:
    assert fit_novelty(net, bars(500, 0), bars(FEWEST - 1, 1)) is None


def test_an_export_carries_the_rule(tmp_path: Path, net: Net, probabilities: Tensor, fitted: Novelty) -> None:
    write(tmp_path / "export", net, probabilities, novelty=fitted)
    found = read_export(tmp_path / "export").novelty
    assert found is not None
    assert all(torch.equal(tensor, asdict(fitted)[name]) for name, tensor in asdict(found).items())
    assert read_whole(tmp_path / "export").novelty


def test_a_damaged_lost_or_unfitting_rule_is_refused(
    tmp_path: Path, net: Net, probabilities: Tensor, fitted: Novelty
) -> None:
    folder = tmp_path / "export"
    write(folder, net, probabilities, novelty=fitted)
    contents = (folder / NOVELTY).read_bytes()
    (folder / NOVELTY).write_bytes(contents[:-1] + b"x")
    for read in (read_export, read_whole):
        with pytest.raises(ExportError, match=r"novelty\.pt: damaged or changed"):
            read(folder)
    (folder / NOVELTY).unlink()
    with pytest.raises(ExportError, match=r"novelty\.pt: cannot be read"):
        read_export(folder)
    for wrong in ({"mean": fitted.mean[:-1]}, {"axes": fitted.axes[:, :-1]}, {"limit": torch.tensor([float("nan")])}):
        write(folder, net, probabilities, novelty=Novelty(**{**asdict(fitted), **wrong}))
        with pytest.raises(ExportError, match=r"novelty\.pt: unusable \((mean|axes|limit) "):
            read_export(folder)
