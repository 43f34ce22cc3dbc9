"""The one function that Ray runs: it trains a trial, reports every epoch, and saves a checkpoint when that pays."""

import gc
import math
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import CheckpointError, load, save
from model.data import Dataset, Split, empty_like
from model.errors import is_full, summary
from model.hyperparameters import Hyperparameters
from model.latency import milliseconds_per_image
from model.train import TrainingState, fit, start
from search.on_ray import gpus
from search.store.object_store import fetched

MEASURED = ("train_loss", "val_loss", "val_accuracy")
MARGIN = 1.25  # the next epoch may be slower than this one, and writing a checkpoint takes time too
LOOK = 1.0  # seconds between two questions of a worker whether it may train again
Report = Callable[[dict[str, Any], Path | None], None]  # one epoch's metrics, and the folder of a checkpoint
_on_device: dict[tuple[str, str, bool], Dataset] = {}  # (its token, device, refit) -> the images, kept between trials


class MachineError(Exception):
    """Raised where the machine is at fault, and not the trial: it can't save or fetch a checkpoint, or use its GPU."""

    def __init__(self, reason: str, of_gpu: bool = False) -> None:
        super().__init__(reason)
        self.of_gpu = of_gpu


@dataclass(frozen=True)
class Place:
    """Where a worker trains: its device, the ids of its GPUs (none or one), and Ray's id of its machine."""

    device: torch.device
    gpus: list[str]
    node: str

    @property
    def names(self) -> list[str]:
        """Return the names by which the driver knows the machine, and its GPU: NODE, and NODE/GPU."""
        return [self.node, *(f"{self.node}/{gpu}" for gpu in self.gpus)]

    def fault(self, reason: str, of_gpu: bool) -> dict[str, Any]:
        """Return a fault of the machine, or of its GPU, as a worker reports it."""
        host = f"host {socket.gethostname()}"
        name = f"GPU {self.gpus[0]} of {host}" if of_gpu else host
        return {"machine": reason, "place": self.names[-1 if of_gpu else 0], "place_name": name}


def run_trial(config: dict[str, Any], data: dict[str, Any]) -> None:
    """Train the trial that `config` (from `Trials.next_config`) describes, on the node's shared copy of the images."""
    from ray import tune  # not at the top: tests train trials without Ray

    def report(metrics: dict[str, Any], folder: Path | None = None) -> None:
        tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder) if folder else None)

    gc.freeze()  # today's objects live as long as the worker: to look through them would cost 0.3 s per trial
    place = _place()
    try:
        train_trial(config, data, report, place)
    except torch.AcceleratorError as error:
        try:
            report({**place.fault(f"failed ({summary(error)})", of_gpu=True), "charged": True})
        finally:
            os._exit(1)  # its CUDA context is broken for good; a new worker takes over the trial
    finally:
        gc.collect()
        torch.cuda.empty_cache()  # does nothing where CUDA was never used


def train_trial(config: dict[str, Any], data: dict[str, Any], report: Report, place: Place) -> None:
    """Train a trial to its end, from its newest readable checkpoint or its beginning.

    An error is reported as {"error": text}: the trial fails and the worker goes on. A full disk is reported as
    {"no_room": text}: it is not the trial's fault, and would fail the next one too. Any other fault of the machine is
    reported as {"machine": text, ...}: the trial goes elsewhere, and this worker holds its share of the machine, so
    that no other trial is put there, until the driver stops it.
    """

    def report_from_here(metrics: dict[str, Any], folder: Path | None) -> None:
        report({**metrics, "places": place.names}, folder)

    try:
        for name in place.names:
            if name in config["avoided"]:
                raise MachineError("", of_gpu=name != place.node)
        _check_gpu(place)
        torch.set_num_threads(config["threads"])
        state, damaged = _begin(config, place.device)
        about = {
            "node": socket.gethostname(),
            "device": torch.cuda.get_device_name(0) if place.device.type == "cuda" else "cpu",
            "gpu": place.gpus,
            "num_parameters": state.hyperparameters.num_parameters,
        }
        images = dataset_on_device(data, place.device, refit=config["refit"])
        _train(config, state, images, about, damaged, report_from_here)
    except torch.AcceleratorError:
        raise
    except MachineError as error:
        _rest(report, place.fault(str(error), error.of_gpu))
    except Exception as error:  # the boundary: a trial may fail in any way, the search goes on
        text = f"{type(error).__name__}: {summary(error, most=2000)}"
        report({"no_room": text, "host": socket.gethostname()} if is_full(error) else {"error": text}, None)


def _rest(report: Report, fault: dict[str, Any]) -> None:
    """Report a fault of the machine, then ask the driver again and again whether this worker may train; it stops it."""
    report(fault, None)
    while True:
        time.sleep(LOOK)
        report({**fault, "machine": ""}, None)


def _check_gpu(place: Place) -> None:
    """Raise MachineError if torch can't use the GPU of a worker."""
    if place.gpus and (fault := gpus.fault_of(0)):
        raise MachineError(fault, of_gpu=True)


def to_arrays(data: Dataset) -> dict[str, Any]:
    """Return a data set without its test images, as arrays that Ray shares between processes."""
    return {
        "name": data.name,
        "classes": data.classes,
        "mean": data.mean,
        "std": data.std,
        "train": (data.train.images.numpy(), data.train.labels.numpy()),
        "val": (data.val.images.numpy(), data.val.labels.numpy()),
        "rest": (data.rest.images.numpy(), data.rest.labels.numpy()),
    }


def dataset_on_device(data: dict[str, Any], device: torch.device, refit: bool = False) -> Dataset:
    """Return the data set that `to_arrays` made, or a refit's, on `device`; it is kept until another one is wanted."""
    key = (data["token"], str(device), refit)
    if key not in _on_device:
        _on_device.clear()
        train, val, rest = (Split(*map(torch.tensor, data[part])) for part in ("train", "val", "rest"))
        statistics = (data["name"], data["classes"], data["mean"], data["std"])
        dataset = Dataset(*statistics, train, val, test=empty_like(val), rest=rest)
        if refit:
            dataset = dataset.for_refit()
        train, val = _moved(dataset.train, device), _moved(dataset.val, device)
        _on_device[key] = replace(dataset, train=train, val=val, test=empty_like(val), rest=empty_like(train))
    return _on_device[key]


def _moved(split: Split, device: torch.device) -> Split:
    return Split(split.images.to(device), split.labels.to(device))


def _train(
    config: dict[str, Any],
    state: TrainingState,
    data: Dataset,
    about: dict[str, Any],
    damaged: str | None,
    report: Report,
) -> None:
    last_saved = time.monotonic()
    for metrics in fit(state, data, config["precision"]):
        wrong = [name for name in MEASURED if not math.isfinite(getattr(metrics, name))]
        if wrong:
            reason = f"non-finite {', '.join(wrong)} in epoch {metrics.epoch}"
            report({"error": f"{reason}; a lower learning_rate may help"}, None)
            return
        epoch = {**asdict(metrics), "about": about}
        if metrics.epoch == 1:
            epoch["about"] = {**about, "milliseconds_per_image": milliseconds_per_image(state.hyperparameters)}
        if damaged:  # reported once
            epoch["damaged"] = damaged
            damaged = None
        due = time.monotonic() - last_saved + MARGIN * metrics.seconds >= config["may_be_lost"]
        if due or metrics.epoch in config["pauses"] or metrics.epoch == state.hyperparameters.epochs:
            with _the_machines_fault(), tempfile.TemporaryDirectory() as folder:
                save(state, Path(folder))
                report(epoch, Path(folder))
            last_saved = time.monotonic()
        else:
            report(epoch, None)


@contextmanager
def _the_machines_fault() -> Iterator[None]:
    """Turn what goes wrong in the body into MachineError, but for what has an answer of its own."""
    try:
        yield
    except torch.AcceleratorError:
        raise
    except Exception as error:
        if is_full(error):
            raise
        raise MachineError(f"can't save a checkpoint ({summary(error, most=500)})") from error


def _begin(config: dict[str, Any], device: torch.device) -> tuple[TrainingState, str | None]:
    """Return the training at the newest readable checkpoint, or at its start, and what was wrong with newer ones."""
    damaged = []
    for place in config["checkpoints"]:
        try:
            with fetched(place) as folder:
                state = load(folder, device)
        except (CheckpointError, FileNotFoundError) as error:
            damaged.append(str(error))
            continue
        except OSError as error:  # an object store that does not answer
            if is_full(error):
                raise
            raise MachineError(f"can't fetch a checkpoint ({summary(error, most=500)})") from error
        return state, _trained_again(damaged, f"from epoch {state.epoch}")
    hyperparameters = Hyperparameters(**config["hyperparameters"])
    state = start(hyperparameters, seed=config["seed"], number=config["number"], device=device)
    return state, _trained_again(damaged, "from its beginning")  # leads to the same numbers, only later


def _trained_again(damaged: list[str], where: str) -> str | None:
    return f"{'; '.join(damaged)}: trained again {where}" if damaged else None


def _place() -> Place:
    """Return where this worker trains, on the GPU that Ray gave it, or on the CPU if it gave it none."""
    import ray  # as above

    context = ray.get_runtime_context()
    given = [str(gpu) for gpu in context.get_accelerator_ids().get("GPU", [])]
    if not given:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all of them visible to a worker that asked for none
        return Place(torch.device("cpu"), given, context.get_node_id())
    torch.backends.cudnn.deterministic = True
    return Place(torch.device(gpus.DEVICE, 0), given, context.get_node_id())
