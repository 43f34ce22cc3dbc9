"""Where Ray Tune meets the study: a searcher that asks, a scheduler that records, prunes and tells.

Ray holds nothing that matters: every result is in the study before Ray's next step, so a search can be killed at
any moment and a resumed one hands the same trial numbers, with their last saved states, to new Ray trials.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import ray
from optuna.trial import FrozenTrial, TrialState
from ray.exceptions import RayError, RayTaskError
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from model.hyperparameters import Hyperparameters
from model.train import EpochMetrics, derive_seed
from search import halving, sampling, study
from search.experiment import Search
from search.progress import Progress
from search.space import Space, complete

RETRIES = 2  # times that a trial whose worker died is tried again
STAGE_SEEDS = {study.SEARCH: 0, study.CONFIRM: 1, study.REFIT: 2}


@dataclass(frozen=True)
class Stage:
    """What one call of Ray Tune works through: a study, its space, and the limits. `kept_states` is how many of the
    best finished trials keep their training state on disk (None: all)."""

    study: optuna.Study
    space: Space
    search: Search
    trials: int
    cpus: int
    trial_timeout: float | None = None
    max_seconds: float | None = None
    kept_states: int | None = None


@dataclass
class LiveTrial:
    """A trial in the hands of Ray."""

    trial_id: int
    number: int
    hyperparameters: Hyperparameters
    began: float | None = None
    spent: float = 0.0  # seconds of training before this attempt
    timed_out: bool = False


class Bridge:
    """The state of one stage in this process, and every decision on it."""

    def __init__(self, stage: Stage, progress: Progress) -> None:
        self.stage = stage
        self.progress = progress
        self.live: dict[str, LiveTrial] = {}
        self.interrupted = False
        self._began = time.monotonic() - study.searched_seconds(stage.study)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles its searcher into snapshots, which are never read back."""
        return {}

    @property
    def clock(self) -> float:
        """Seconds of searching since the search began, over all sessions, pauses left out."""
        return time.monotonic() - self._began

    @property
    def stopping(self) -> bool:
        return self.interrupted or self.out_of_time

    @property
    def out_of_time(self) -> bool:
        return self.stage.max_seconds is not None and self.clock >= self.stage.max_seconds

    def suggest(self, ray_id: str) -> dict[str, Any] | str | None:
        """The configuration of the next trial; None while others may still hand theirs back; FINISHED at the end."""
        while not self.stopping and self._anything_to_ask():
            stage = self.stage
            trial = sampling.ask(stage.study, stage.space.searched, stage.search.sampler, stage.search.seed)
            if not self._settle(trial):
                return self._hand_out(ray_id, trial)
        return None if self.live and not self.stopping else str(Searcher.FINISHED)

    def on_result(self, ray_trial: RayTrial, result: dict[str, Any]) -> str:
        """Record one epoch, then tell the trial's end if this was it. Returns the scheduler's decision."""
        live = self.live.get(ray_trial.trial_id)
        if live is None:
            return str(TrialScheduler.STOP)
        if error := result.get("error"):
            return self._end(ray_trial.trial_id, TrialState.FAIL, error)
        self._record(live, ray_trial, result)
        if result["epoch"] >= live.hyperparameters.epochs:
            return self._end(ray_trial.trial_id, TrialState.COMPLETE)
        if self._prunes(live.trial_id, live.hyperparameters.epochs):
            return self._end(ray_trial.trial_id, TrialState.PRUNED)
        return str(TrialScheduler.CONTINUE)

    def on_error(self, ray_trial: RayTrial) -> None:
        """A worker ended without a word: out of time, died, or could not even start the trial."""
        live = self.live.get(ray_trial.trial_id)
        if live is None:
            return
        if live.timed_out:
            limit = self.stage.trial_timeout
            self._end(ray_trial.trial_id, TrialState.FAIL, f"ran longer than resources.trial_timeout = {limit:g} s")
            return
        error = ray_trial.get_pickled_error() or ray_trial.get_error()
        died = isinstance(error, RayError) and not isinstance(error, RayTaskError)
        retries = self._attributes(live.trial_id).get("retries", 0)
        if died and retries < RETRIES:
            del self.live[ray_trial.trial_id]
            study.set_attributes(self.stage.study, live.trial_id, retries=retries + 1)
            study.requeue(self.stage.study, live.trial_id)
            self.progress.say(f"trial {live.number}: its worker died; going on from its last saved state")
            return
        reason = " ".join(str(error).split())[-300:] or type(error).__name__
        prefix = f"its worker died {retries + 1} times: " if died else ""
        self._end(ray_trial.trial_id, TrialState.FAIL, prefix + reason)

    def kill_overdue(self, ray_trials: list[RayTrial]) -> None:
        """End the worker of a trial that ran too long: only killing it frees its place (a stopped one hangs on)."""
        limit = self.stage.trial_timeout
        if limit is None:
            return
        for ray_trial in ray_trials:
            live = self.live.get(ray_trial.trial_id)
            if live is None or live.began is None or live.timed_out:
                continue
            if live.spent + time.monotonic() - live.began > limit and ray_trial.temporary_state.ray_actor:
                live.timed_out = True
                ray.kill(ray_trial.temporary_state.ray_actor)

    def tick(self) -> None:
        self.progress.tick(running=len(self.live), stopping=self.stopping)

    def _anything_to_ask(self) -> bool:
        trials = self.stage.study.get_trials(deepcopy=False)
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or len(trials) < self.stage.trials

    def _settle(self, trial: FrozenTrial) -> bool:
        """Tell a trial that was interrupted between its last value and its end; True if that was all it lacked."""
        hyperparameters = complete(self.stage.space, trial.params)
        last = max(trial.intermediate_values, default=0)
        if last == 0 or trial.user_attrs.get("saved_epoch") != last:
            return False  # what lies between the saved state and the last value is trained again
        state = TrialState.COMPLETE if last >= hyperparameters.epochs else TrialState.PRUNED
        if state == TrialState.PRUNED and not self._prunes(trial._trial_id, hyperparameters.epochs):
            return False
        study.finish(self.stage.study, trial._trial_id, state)
        self._after_end(trial._trial_id)
        return True

    def _hand_out(self, ray_id: str, trial: FrozenTrial) -> dict[str, Any]:
        stage, attributes = self.stage, trial.user_attrs
        hyperparameters = complete(stage.space, trial.params)
        seed = derive_seed(stage.search.seed, STAGE_SEEDS[stage.study.study_name])
        if "started" not in attributes:
            study.set_attributes(stage.study, trial._trial_id, started=time.time(), seed=seed)
        spent = sum(value["seconds"] for key, value in attributes.items() if key.startswith(study.EPOCH))
        self.live[ray_id] = LiveTrial(trial._trial_id, trial.number, hyperparameters, spent=spent)
        return {
            "number": trial.number,
            "seed": seed,
            "hyperparameters": hyperparameters.model_dump(),
            "saved_state": attributes.get("saved_state"),
            "rungs": self._rungs(hyperparameters.epochs),
            "cpus": stage.cpus,
        }

    def _record(self, live: LiveTrial, ray_trial: RayTrial, result: dict[str, Any]) -> None:
        of_trial = self.stage.study
        attributes = self._attributes(live.trial_id)
        about = {key.removeprefix("about/"): value for key, value in result.items() if key.startswith("about/")}
        changed = {key: value for key, value in about.items() if attributes.get(key) != value}
        study.set_attributes(of_trial, live.trial_id, **changed)
        metrics = {name: result[name] for name in EpochMetrics.__dataclass_fields__}
        study.record_epoch(of_trial, live.trial_id, {**metrics, "clock": self.clock})
        if folder := result.get("checkpoint_dir_name"):
            place = Path(ray_trial.storage.trial_fs_path) / folder
            study.set_attributes(of_trial, live.trial_id, saved_state=str(place), saved_epoch=result["epoch"])
            earlier = attributes.get("saved_state")
            if earlier and Path(earlier).parent != place.parent:
                delete_state(earlier)  # of an earlier attempt; within one, Ray keeps only the newest

    def _rungs(self, epochs: int) -> list[int]:
        search = self.stage.search
        if search.pruner != "halving":
            return []
        return halving.rungs(epochs, search.grace_epochs, search.reduction_factor)

    def _prunes(self, trial_id: int, epochs: int) -> bool:
        """Whether the pruner stops this trial after its last recorded epoch. A pure function of the study."""
        search, of_stage = self.stage.search, self.stage.study
        trial = of_stage._storage.get_trial(trial_id)
        epoch = max(trial.intermediate_values)
        if search.pruner == "median":
            pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=search.grace_epochs - 1)
            return pruner.prune(of_stage, trial)
        if epoch not in self._rungs(epochs):
            return False
        others = of_stage.get_trials(deepcopy=False)
        at_rung = [other.intermediate_values[epoch] for other in others if epoch in other.intermediate_values]
        return not halving.survives(trial.intermediate_values[epoch], at_rung, search.reduction_factor)

    def _end(self, ray_id: str, state: TrialState, error: str | None = None) -> str:
        live = self.live.pop(ray_id)
        study.finish(self.stage.study, live.trial_id, state, error)
        self._after_end(live.trial_id)
        return str(TrialScheduler.STOP)

    def _after_end(self, trial_id: int) -> None:
        """The line for the person, and the deletion of states that nothing can need any more."""
        of_stage = self.stage.study
        trial = of_stage._storage.get_trial(trial_id)
        self.progress.trial_ended(trial, study.best_trials(of_stage, 1))
        keep = self.stage.kept_states
        if keep is None:
            unneeded = [] if trial.state == TrialState.COMPLETE else [trial]
        else:
            best = study.best_trials(of_stage, keep + 1)
            displaced = best[keep:]
            unneeded = displaced if trial.number in {kept.number for kept in best[:keep]} else [*displaced, trial]
        for other in unneeded:
            if place := other.user_attrs.get("saved_state"):
                delete_state(place)

    def _attributes(self, trial_id: int) -> dict[str, Any]:
        return dict(self.stage.study._storage.get_trial(trial_id).user_attrs)


def delete_state(place: str) -> None:
    """Remove a saved training state, together with Ray's folder of that attempt."""
    shutil.rmtree(Path(place).parent, ignore_errors=True)


class Asker(Searcher):
    """Ray's door to `Bridge.suggest`. Ends are told by the scheduler, which alone sees every result."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge

    def suggest(self, trial_id: str) -> Any:
        return self.bridge.suggest(trial_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class Teller(FIFOScheduler):
    """Ray's door to `Bridge.on_result`: records, prunes and tells in one call."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        return self.bridge.on_result(trial, result)

    def on_trial_error(self, tune_controller: Any, trial: RayTrial) -> None:
        self.bridge.on_error(trial)


class Watcher(Callback):
    """What must happen as time passes: time-outs and the live line."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:
        if live := self.bridge.live.get(trial.trial_id):
            live.began = time.monotonic()

    def on_step_end(self, iteration: int, trials: list[RayTrial], **info: Any) -> None:
        self.bridge.kill_overdue(trials)
        self.bridge.tick()


class StopWhenAsked(Stopper):
    """Ends all trials at once when the person or the time budget says so; they stay resumable."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.bridge.stopping
