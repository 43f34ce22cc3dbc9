"""StudyScheduler and StudyStopper: they pass every result and death to the study, and its decisions to Ray Tune.

A searcher of Ray does not see the result that stops a trial, so asking (StudySearcher) and reporting are two hooks.
"""

from typing import Any

from ray.tune import Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.on_ray import ray_internals
from search.on_ray.watchdog import Lifelines
from search.on_ray.work import Work


class StudyScheduler(FIFOScheduler):
    """Reports results and deaths to the trials of the stage in hand, and stops those that it ends.

    `lines` tell at once whether a worker died with Ray itself; the watchdog looks a few times before it is sure.
    """

    def __init__(self, work: Work, lines: Lifelines) -> None:
        super().__init__()
        self.work = work
        self.lines = lines
        self._kept = 0  # workers that Tune keeps, for trials with these needs
        self._needs: Any = None

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return None: Tune starts pending trials by itself, and FIFOScheduler would look through all trials."""
        return None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        ray_internals.forget_ended_trials(tune_controller)
        needs = trial.placement_group_factory
        if self._needs not in (None, needs):  # a machine is left out, where idle workers may be
            ray_internals.keep_workers(tune_controller, self._needs, -self._kept)
            ray_internals.end_idle_workers(tune_controller)
            self._kept = 0
        self._needs = needs
        more = self.work.slots.concurrent - self._kept
        if more > 0:
            ray_internals.keep_workers(tune_controller, needs, more)
            self._kept += more

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> Any:
        folder = result.get("checkpoint_dir_name")
        checkpoint = f"{trial.path}/{folder}" if folder else None
        trials = self.work.trials
        goes_on = trials is not None and trials.on_result(trial.trial_id, result, checkpoint)
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        # `trials` has forgotten a trial whose end is stored, and ignores this; any other end is a death.
        self._on_death(trial, "it ended without a result")

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        reason, of_machine = ray_internals.failure_of(trial), ray_internals.died_with_its_machine(trial)
        self._on_death(trial, reason, of_machine)
        ray_internals.end_idle_workers(tune_controller)  # they may have died with their machine too, unnoticed

    def _on_death(self, trial: Trial, reason: str, of_machine: bool = False) -> None:
        trials = self.work.trials
        if trials is not None:
            of_ray = trial.trial_id in trials.live and self.lines.missing() is not None
            trials.on_death(trial.trial_id, reason, of_machine=of_machine, of_ray=of_ray)


class StudyStopper(Stopper):
    """Ends all trials at once when the person or the time budget demands it; they can be resumed."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.work.trials is not None and self.work.trials.stopping
