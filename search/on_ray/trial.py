"""The one function that Ray runs: train one trial, report every epoch, save its state when that pays."""

import gc
import math
import os
import socket
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import CheckpointError, load, save
from model.data import Dataset, Split, empty_like
from model.errors import is_full
from model.hyperparameters import Hyperparameters
from model.train import TrainingState, fit, start

MAY_BE_LOST = 10.0  # seconds of training that a killed worker may cost, where an epoch is shorter
CLEAN_UP = 60  # seconds that a stopped trial has to come to its end
MEASURED = ("train_loss", "val_loss", "val_accuracy")
MARGIN = 1.25  # the next epoch may be slower than this one, and writing a state takes time too
_on_device: dict[tuple[str, str], Dataset] = {}  # the data set of this worker, kept between trials


def run_trial(config: dict[str, Any], data: dict[str, Any]) -> None:
    """Train the trial that `config` (made by the bridge) describes, on the node's shared copy of the images.

    Whatever goes wrong inside is reported as {"error": text}: the trial fails, the worker lives on.
    """
    from ray import tune

    gc.freeze()  # what lives now lives as long as the worker: looking through it again would cost 0.3 s a trial
    try:
        device, gpus = _device()
        torch.set_num_threads(config["cpus"])
        state, damaged = _begin(config, device)
        about = {
            "node": socket.gethostname(),
            "device": torch.cuda.get_device_name(0) if device.type == "cuda" else "cpu",
            "gpu": gpus,
            "num_parameters": sum(parameter.numel() for parameter in state.net.parameters()),
        }
        _train(config, state, dataset_on_device(data, device), about, damaged)
    except torch.AcceleratorError:
        os._exit(1)  # its CUDA context is broken for good: a new worker takes the trial over
    except Exception as error:  # the boundary: a trial may fail in any way, the search goes on
        # A full disk is not the trial's fault, and would be the next one's too.
        tune.report({"no_room" if is_full(error) else "error": _one_line(error)})
    finally:
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where CUDA was never used


class Reused:
    """What Ray's class around `run_trial` does when a worker is to take another trial.

    Where the one before does not come to its end, Ray by itself would wait for 2 s, then give up the new trial and
    tell nobody. Here the worker ends, which is told as a death.
    """

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = str(CLEAN_UP)
        if not super().reset_config(new_config):  # type: ignore[misc]
            os._exit(1)
        return True


run_trial.__mixins__ = (Reused,)  # type: ignore[attr-defined]


def to_arrays(data: Dataset) -> dict[str, Any]:
    """What a worker needs of a data set, as arrays that Ray shares between the processes of a node. No test images."""
    return {
        "name": data.name,
        "classes": data.classes,
        "mean": data.mean,
        "std": data.std,
        "train": (data.train.images.numpy(), data.train.labels.numpy()),
        "val": (data.val.images.numpy(), data.val.labels.numpy()),
    }


def _train(
    config: dict[str, Any], state: TrainingState, data: Dataset, about: dict[str, Any], damaged: str | None
) -> None:
    from ray import tune

    last_saved = time.monotonic()
    for metrics in fit(state, data):
        if wrong := [name for name in MEASURED if not math.isfinite(getattr(metrics, name))]:
            reason = f"non-finite {', '.join(wrong)} in epoch {metrics.epoch}"
            tune.report({"error": f"{reason}; a lower learning_rate may help"})
            return
        report = {**asdict(metrics), "about": about, **({"damaged": damaged} if damaged else {})}
        damaged = None
        due = time.monotonic() - last_saved + MARGIN * metrics.seconds >= MAY_BE_LOST
        if due or metrics.epoch in config["rungs"] or metrics.epoch == state.hyperparameters.epochs:
            with tempfile.TemporaryDirectory() as folder:
                save(state, Path(folder))
                tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))
            last_saved = time.monotonic()
        else:
            tune.report(report)


def _begin(config: dict[str, Any], device: torch.device) -> tuple[TrainingState, str | None]:
    """The trial's newest saved state that can be read, else its beginning; and what was wrong with newer ones."""
    damaged = []
    for place in config["saved_states"]:
        try:
            state = load(Path(place), device)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        return state, _told(damaged, f"from epoch {state.epoch}")
    hyperparameters = Hyperparameters(**config["hyperparameters"])
    state = start(hyperparameters, seed=config["seed"], number=config["number"], device=device)
    return state, _told(damaged, "from its beginning")  # the same numbers, only later


def _told(damaged: list[str], where: str) -> str | None:
    return f"{'; '.join(damaged)}: trained again {where}" if damaged else None


def _device() -> tuple[torch.device, list[str]]:
    """The device of this worker and the ids of the GPUs that Ray gave it (none or one)."""
    import ray

    gpus = [str(gpu) for gpu in ray.get_runtime_context().get_accelerator_ids().get("GPU", [])]
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all of them visible to a worker that asked for none
        return torch.device("cpu"), gpus
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu"), gpus


def dataset_on_device(data: dict[str, Any], device: torch.device) -> Dataset:
    key = (data["token"], str(device))
    if key not in _on_device:
        _on_device.clear()
        train, val = (
            Split(torch.tensor(images, device=device), torch.tensor(labels, device=device))
            for images, labels in (data["train"], data["val"])
        )
        statistics = (data["name"], data["classes"], data["mean"], data["std"])
        _on_device[key] = Dataset(*statistics, train, val, test=empty_like(val), rest=empty_like(train))
    return _on_device[key]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
