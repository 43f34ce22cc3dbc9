"""What a worker makes of faults of its machine while it trains, without a Ray that runs."""

import errno
import socket
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from model.data import load_dataset
from search.on_ray import trial
from search.on_ray.trial import _the_machines_fault, to_arrays, train_trial
from tests.search.driven import new_trials, opened
from tests.without_ray import on_cpu

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {"conv1_width": 2, "conv2_width": 2, "hidden_width": 4, "pool": "early", "dropout1": 0.1}
NO_FOLDER = "Unable to set up cluster storage with the following settings"
CANT = f"host {socket.gethostname()} can't save or fetch its checkpoint"
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RuntimeError(NO_FOLDER), {"machine": f"{CANT}: {NO_FOLDER}"}),
        (FULL, {"no_room": "OSError: [Errno 28] No space left on device"}),
    ],
)
def test_a_checkpoint_that_can_not_be_handed_over_is_no_failure_of_the_trial(
    tmp_path: Path, tiny_root: Path, fault: Exception, told: dict[str, str]
) -> None:
    trials = new_trials(tmp_path, opened(tmp_path))
    config = trials.next_config("a")
    assert config
    config["hyperparameters"] |= {**TINY, "epochs": 1}
    told_so_far: list[dict[str, Any]] = []

    def report(metrics: dict[str, Any], folder: Path | None) -> None:
        if folder is not None:
            raise fault
        told_so_far.append(metrics)

    images = {**to_arrays(load_dataset("mnist", tiny_root, validation_images=100)), "token": "tiny"}
    train_trial(config, images, report, on_cpu)
    assert told_so_far == [told]


def test_a_store_that_does_not_answer_is_no_damage_to_a_checkpoint(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = new_trials(tmp_path, opened(tmp_path)).next_config("a")
    assert config
    monkeypatch.setattr(trial, "fetched", Mock(side_effect=OSError("no connection")))
    told: list[dict[str, Any]] = []
    images = {**to_arrays(load_dataset("mnist", tiny_root, validation_images=100)), "token": "tiny"}
    train_trial({**config, "checkpoints": ["s3://bucket/run"]}, images, lambda metrics, _: told.append(metrics), on_cpu)
    assert told == [{"machine": f"{CANT}: no connection"}]


def test_a_broken_cuda_context_still_ends_the_worker() -> None:
    with pytest.raises(torch.AcceleratorError), _the_machines_fault():
        raise torch.AcceleratorError


def test_a_trial_is_tried_again_after_a_fault_of_its_machine(tmp_path: Path) -> None:
    study = opened(tmp_path)
    trials = new_trials(tmp_path, study, trials=1)
    for attempt in "abc":
        assert study.trials() == [] or study.trial(0).state.name == "WAITING"
        assert trials.next_config(attempt)
        assert not trials.on_result(attempt, {"machine": "host b can't save its checkpoint: no folder"}, None)
    assert study.trial(0).user_attrs["error"] == "its worker died 3 times: host b can't save its checkpoint: no folder"
