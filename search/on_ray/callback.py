"""StudyCallback: the work that time itself brings: time-outs, lost machines, the live view."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback

from model.errors import ConfigError
from search.on_ray import ray_internals
from search.on_ray.probe import Probes
from search.on_ray.slots import Node, cluster_nodes, lacking, room, unheld, without
from search.on_ray.waiting import Waiting
from search.on_ray.work import Work
from search.trials import Trials

PERIOD = 3.0  # seconds between two looks at which machines are there


class NoProgress(TrialProgressCallback):
    """Takes the place of Tune's own callback for progress, which prints nothing here and holds every trial for good."""

    def on_trial_result(self, *given: Any, **named: Any) -> None:
        pass

    def on_trial_complete(self, *given: Any, **named: Any) -> None:
        pass

    def on_trial_error(self, *given: Any, **named: Any) -> None:
        pass


class StudyCallback(Callback):
    """Watches the clock and the machines while trials run.

    `probes` are those of a cluster's machines; `free_spare` frees the GPU shares that are held empty.
    """

    def __init__(self, work: Work, probes: Probes | None, free_spare: Callable[[], None]) -> None:
        self.work = work
        self.probes = probes
        self.free_spare = free_spare
        self.looked = time.monotonic()
        self.waiting = Waiting()

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
        with suppress(RayError):
            self.waiting.look(self.work)
        self.work.trials.tick()

    def _look_for_machines(self, trials: Trials) -> None:
        """Use machines that have come; make room for the trials of a lost one, or stop the search.

        Ray would wait for ever and say nothing.
        """
        if time.monotonic() - self.looked < PERIOD:
            return
        self.looked = time.monotonic()
        with suppress(RayError):  # the cluster may be too busy to answer
            there, slots = self._sound(cluster_nodes(), trials), self.work.slots
            if trials.faults.avoided and slots.spare:  # a trial must go elsewhere
                self.free_spare()
                self.work.slots = slots = replace(slots, spare=())
            known = {node.id for node in self.work.nodes}
            if set(there) == set(self.work.nodes):  # in any order
                return
            if known - {node.id for node in there}:
                self.free_spare()
                slots = replace(slots, spare=())
            if reason := lacking(slots, there):
                trials.stop(reason)
            if not slots.per_gpu and any(node.gpus for node in there if node.id not in known):
                trials.progress.warn(
                    "a machine with GPUs has come: this stage goes on without; stop it and go on with --resume"
                )
            self.work.nodes, self.work.slots = there, replace(slots, concurrent=max(room(slots, there), 1))

    def _sound(self, nodes: list[Node], trials: Trials) -> list[Node]:
        """Return those of `nodes` that may be used; stop the search for one that may not. A new one takes seconds."""
        new = []
        if self.probes is not None:
            try:
                self.probes.take(nodes)
            except ConfigError as error:
                trials.stop(str(error))
            new = self.probes.new(nodes)
        sound = without([node for node in nodes if node not in new], trials.faults.left_out)
        return unheld(sound, trials.faults.held(left_out=True), self.work.slots.cpus)
