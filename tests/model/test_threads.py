"""The number of threads of a training: the measured speeds decide, and this process is left as it was."""

from pathlib import Path

import pytest
import torch

from model import threads
from model.data import load_dataset
from model.hyperparameters import Hyperparameters
from model.threads import fastest_threads

SMALL = Hyperparameters(conv1_width=2, conv2_width=2, hidden_width=4, pool="early", batch_size=8)


@pytest.mark.parametrize(
    ("speeds", "most", "chosen"),
    [
        ({1: 100, 2: 160, 4: 250, 8: 260}, 8, 4),
        ({1: 100, 2: 160, 4: 250}, 7, 4),
        ({1: 100, 2: 105, 4: 900}, 4, 1),  # what does not pay with two is not tried with four
        ({1: 100}, 1, 1),
    ],
)
def test_more_threads_are_taken_where_they_are_worth_it(
    monkeypatch: pytest.MonkeyPatch, tiny_root: Path, speeds: dict[int, float], most: int, chosen: int
) -> None:
    monkeypatch.setattr(threads, "_images_per_second", lambda hp, data, count, precision: speeds[count])
    assert fastest_threads(SMALL, load_dataset("mnist", tiny_root, validation_images=100), most, "float32") == chosen


def test_a_measurement_changes_nothing_of_this_process(tiny_root: Path) -> None:
    data = load_dataset("mnist", tiny_root, validation_images=100)
    before, state = torch.get_num_threads(), torch.get_rng_state()
    assert fastest_threads(SMALL, data, 2, "float32") in (1, 2)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)
