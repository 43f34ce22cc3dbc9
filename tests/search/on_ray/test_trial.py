"""What a worker makes of faults of its machine while it trains, without a Ray that runs."""

import errno
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from model.data import load_dataset
from search.on_ray import trial
from search.on_ray.trial import Place, _the_machines_fault, to_arrays, train_trial
from tests.search.driven import new_trials, opened
from tests.without_ray import ON_CPU, EndedError

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {"conv1_width": 2, "conv2_width": 2, "hidden_width": 4, "pool": "early", "dropout1": 0.1}
NO_FOLDER = "Unable to set up cluster storage with the following settings"
HERE = {"place": "here", "place_name": f"host {socket.gethostname()}"}
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RuntimeError(NO_FOLDER), {"machine": f"can't save a checkpoint ({NO_FOLDER})", **HERE}),
        (FULL, {"no_room": "OSError: [Errno 28] No space left on device", "host": socket.gethostname()}),
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
        raise EndedError

    images = {**to_arrays(load_dataset("mnist", tiny_root, validation_images=100)), "token": "tiny"}
    with suppress(EndedError):
        train_trial(config, images, report, ON_CPU)
    assert told_so_far == [told]


def test_a_store_that_does_not_answer_is_no_damage_to_a_checkpoint(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = new_trials(tmp_path, opened(tmp_path)).next_config("a")
    assert config
    monkeypatch.setattr(trial, "fetched", Mock(side_effect=OSError("no connection")))
    told: list[dict[str, Any]] = []
    images = {**to_arrays(load_dataset("mnist", tiny_root, validation_images=100)), "token": "tiny"}

    def report(metrics: dict[str, Any], _: Path | None) -> None:
        told.append(metrics)
        if len(told) == 3:
            raise EndedError

    monkeypatch.setattr(trial, "LOOK", 0.0)
    with pytest.raises(EndedError):
        train_trial({**config, "checkpoints": ["s3://bucket/run"]}, images, report, ON_CPU)
    # Then the worker holds its share of the machine until it is stopped.
    assert [metrics["machine"] for metrics in told] == ["can't fetch a checkpoint (no connection)", "", ""]


def test_a_broken_cuda_context_still_ends_the_worker() -> None:
    with pytest.raises(torch.AcceleratorError), _the_machines_fault():
        raise torch.AcceleratorError


def first_report(tmp_path: Path, place: Place, **changed: Any) -> dict[str, Any]:
    """Return what a worker at a place reports first of a trial; it is stopped then."""
    config = new_trials(tmp_path, opened(tmp_path)).next_config("a")
    assert config
    told: list[dict[str, Any]] = []

    def report(metrics: dict[str, Any], _: Path | None) -> None:
        told.append(metrics)
        raise EndedError

    with pytest.raises(EndedError):
        train_trial({**config, **changed}, {}, report, place)
    [first] = told
    return first


@pytest.mark.parametrize("avoided", ["node", "node/1"])
def test_a_worker_at_a_place_that_is_avoided_trains_nothing(tmp_path: Path, avoided: str) -> None:
    fault = first_report(tmp_path, Place(torch.device("cpu"), ["1"], "node"), avoided=[avoided])
    assert (fault["machine"], fault["place"]) == ("", avoided)


def test_a_gpu_that_torch_can_not_use_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    """There is none here."""
    fault = first_report(tmp_path, Place(torch.device("cuda", 0), ["3"], "node"))
    assert (fault["place"], fault["place_name"]) == ("node/3", f"GPU 3 of host {socket.gethostname()}")
    assert fault["machine"].startswith(f"can't be used by torch {torch.__version__} (")
