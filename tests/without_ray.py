"""An engine without Ray: one trial after the other in the test's own process, for tests of everything but Ray.

The run, its stages, the decisions, the study, the export and the training are the real ones; only Ray's part, carrying
reports from a worker to the study, is a plain call. Each epoch leaves a checkpoint.
"""

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from search.on_ray.trial import Place, to_arrays, train_trial
from search.run import Connect
from search.trials import MachineFaults, Trials

ON_CPU = Place(torch.device("cpu"), [], "here")
OnResult = Callable[[Trials, str, dict[str, Any], str | None], bool]


class EndedError(BaseException):
    """Raised in a trial that is to stop; not an Exception, which would be reported as the trial's failure."""


@dataclass(frozen=True)
class OneByOne:
    """The engine. `images` are for the trials; `on_result` takes the place of `Trials.on_result`."""

    images: dict[str, Any] = field(default_factory=dict)
    on_result: OnResult = Trials.on_result
    machines: int = 1
    cpus: int = 1
    gpus: int = 0
    per_gpu: int = 1
    most_cpus: int = 1
    gone: threading.Event = field(default_factory=threading.Event)
    faults: MachineFaults = field(default_factory=MachineFaults)

    def concurrent(self, trials: int, cpus_per_trial: int) -> int:
        return 1

    def run(self, trials: Trials) -> None:
        attempts = trials.stage.checkpoints.run_dir.absolute() / "ray" / trials.stage.study.name
        while config := trials.next_config(ray_trial_id := uuid.uuid4().hex):

            def report(metrics: dict[str, Any], folder: Path | None, ray_trial_id: str = ray_trial_id) -> None:
                checkpoint = None
                if folder is not None:
                    checkpoint = attempts / ray_trial_id / f"checkpoint_{metrics['epoch']:06d}"
                    shutil.copytree(folder, checkpoint)
                if not self.on_result(trials, ray_trial_id, flat(metrics), checkpoint and str(checkpoint)):
                    raise EndedError

            with suppress(EndedError):
                train_trial({**config, "may_be_lost": 0.0}, self.images, report, ON_CPU)


def flat(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return a report as Ray hands it to a scheduler: what is nested gets a name with a slash."""
    about = {f"about/{key}": value for key, value in metrics.get("about", {}).items()}
    return {key: value for key, value in metrics.items() if key != "about"} | about


def without_ray(on_result: OnResult = Trials.on_result) -> Connect:
    """Return what `run_search(connect=...)` takes to do without Ray."""

    @contextmanager
    def connect(run: Any, _address: str | None) -> Iterator[OneByOne]:
        yield OneByOne({**to_arrays(run.dataset), "token": run.digest}, on_result)

    return connect
