"""Where Ray Tune meets the study: a searcher that asks, a scheduler that records, prunes and tells.

Stock searchers don't see the result that stops a trial, so asking and telling are two hooks on one ledger.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.ledger import Ledger
from search.on_ray.slots import Node, Slots, cluster_nodes, fits

PERIOD = 3.0  # seconds between two looks at whether all machines are still there


class Asker(Searcher):
    """Hands the ledger's next trial to Ray. Ends are told by the scheduler, which alone sees every result."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def suggest(self, trial_id: str) -> Any:
        return self.ledger.next_config(trial_id) or (Searcher.FINISHED if self.ledger.finished else None)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class Teller(FIFOScheduler):
    """Brings every result and every death to the ledger, and its decision to Ray."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> Any:
        folder = result.get("checkpoint_dir_name")
        place = Path(trial.storage.trial_fs_path) / folder if folder else None
        goes_on = self.ledger.on_result(trial.trial_id, result, place)
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        # After an end that the ledger has told it knows the trial no more; any other end is a death.
        self.ledger.on_death(trial.trial_id, "it ended without a result")

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        self.ledger.on_death(trial.trial_id, _reason(trial))


class Watcher(Callback):
    """What must happen as time passes: time-outs, machines that are lost, the live line."""

    def __init__(self, ledger: Ledger, slots: Slots, nodes: list[Node], free_spare: Callable[[], None]) -> None:
        self.ledger = ledger
        self.slots = slots
        self.nodes = nodes
        self.free_spare = free_spare
        self.looked = time.monotonic()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.ledger.on_start(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        overdue = self.ledger.overdue()
        for trial in trials if overdue else []:
            if trial.trial_id in overdue and trial.temporary_state.ray_actor:
                # Only killing the worker frees its place; a stopped one would hang on for ten minutes.
                ray.kill(trial.temporary_state.ray_actor)
        self._look_for_machines()
        self.ledger.tick()

    def _look_for_machines(self) -> None:
        """Trials of a lost one need a place elsewhere, for which Ray would wait for ever, and say nothing."""
        if time.monotonic() - self.looked < PERIOD:
            return
        self.looked = time.monotonic()
        with suppress(RayError):  # the cluster may be too busy to answer
            left = cluster_nodes()
            if {node.id for node in self.nodes} <= {node.id for node in left}:
                return
            self.free_spare()
            if not fits(self.slots, left):
                needs = f"{self.slots.cpus} CPUs" + (" and a GPU" if self.slots.per_gpu else "")
                self.ledger.stop(f"of {len(left)} machines that are left none has {needs}, as its trials need")


class StopWhenAsked(Stopper):
    """Ends all trials at once when the person or the time budget says so; they stay resumable."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.ledger.stopping


def _reason(trial: Trial) -> str:
    """The first line of what Ray noted about a trial's end; the line before it counts and dates the failure."""
    try:
        return Path(trial.error_file).read_text(encoding="utf-8").splitlines()[1].strip()
    except (OSError, TypeError, IndexError):
        return "Ray gave no reason"
