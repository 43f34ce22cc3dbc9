"""StudyCallback: the work that time itself brings: time-outs, lost machines, the live line."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.experiment import Trial

from search.on_ray import ray_internals
from search.on_ray.slots import cluster_nodes, fits
from search.on_ray.work import Work
from search.trials import Trials

PERIOD = 3.0  # seconds between two checks that all machines are still there


class StudyCallback(Callback):
    """Watches the clock and the machines while trials run. `free_spare` frees the GPU shares that are held empty."""

    def __init__(self, work: Work, free_spare: Callable[[], None]) -> None:
        self.work = work
        self.free_spare = free_spare
        self.looked = time.monotonic()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        if self.work.trials:
            self.work.trials.on_start(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if not self.work.trials:
            return
        if overdue := self.work.trials.overdue():
            for trial in trials:
                if trial.trial_id in overdue:
                    # Only killing the worker frees its slot; one that is merely stopped would keep it for ten minutes.
                    ray_internals.kill_worker(trial)
        self._look_for_machines(self.work.trials)
        self.work.trials.tick()

    def _look_for_machines(self, trials: Trials) -> None:
        """Make room for the trials of a lost machine, or stop the search; Ray would wait for ever and say nothing."""
        if time.monotonic() - self.looked < PERIOD:
            return
        self.looked = time.monotonic()
        with suppress(RayError):  # the cluster may be too busy to answer
            left, slots = cluster_nodes(), self.work.slots
            if {node.id for node in self.work.nodes} <= {node.id for node in left}:
                return
            self.free_spare()
            if not fits(slots, left):
                needs = f"{slots.cpus} CPUs" + (" and a GPU" if slots.per_gpu else "")
                trials.stop(f"of {len(left)} machines that are left none has {needs}, as its trials need")
