"""The trials in the hands of workers, and every event of theirs: handed out, an epoch, a death, an end. No Ray in here.

Each event is one transaction, on disk before the engine's next step, so a search can be killed at any moment. A resumed
search hands the same trial numbers, with their checkpoints, to new workers.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState

from model.errors import is_full
from model.train import EpochMetrics
from search.decisions import (
    GOES_ON,
    Decision,
    anything_to_hand_out,
    carry_out,
    decision_after,
    missing_decision,
    next_number,
)
from search.progress import Progress
from search.store import checkpoints, object_store
from search.store.database_errors import why_lost
from search.store.stage import Stage
from search.store.study import FRESH_SEED, epochs_of
from search.strategy.constraint import BROKEN, LATENCY, broken_by
from search.strategy.promotion import PAUSED, is_paused

RETRIES = 2  # times in a row, without a new checkpoint between, that a trial whose worker died is tried again
MAY_BE_LOST = 10.0  # seconds of training that a killed worker may cost, where an epoch is shorter
INTERRUPTED = "interrupted"


@dataclass
class LiveTrial:
    """A trial in the hands of a worker."""

    number: int
    spent: float  # seconds of training before this attempt
    began: float | None = None
    timed_out: bool = False


class Trials:
    """The trials of one stage, and every decision on them. `stopped` says why the stage ended early, if it did.

    Workers are known by the engine's own id of a trial, `ray_trial_id`: another one for each attempt.
    """

    def __init__(self, stage: Stage, progress: Progress, gone: threading.Event | None = None) -> None:
        self.stage = stage
        self.progress = progress
        self.gone = gone or threading.Event()  # set when Ray itself is gone
        self.live: dict[str, LiveTrial] = {}
        self.stopped: str | None = None
        self.failure: Exception | None = None  # an error of our own, which Ray may swallow
        self._failures = 0  # in a row, in this session
        self.began = time.monotonic() - stage.study.searched_seconds()

    @property
    def clock(self) -> float:
        """Seconds of searching since the search began, over all sessions, pauses left out."""
        return time.monotonic() - self.began

    @property
    def out_of_time(self) -> bool:
        return self.stage.max_seconds is not None and self.clock >= self.stage.max_seconds

    @property
    def stopping(self) -> bool:
        return self.stopped is not None or self.out_of_time or self.gone.is_set()

    @property
    def finished(self) -> bool:
        """Whether nothing will ever be handed out again; a live trial may still come back from a dead worker."""
        return not (self.live or anything_to_hand_out(self.stage))

    def next_config(self, ray_trial_id: str) -> dict[str, Any] | None:
        """Return what a worker should train next; None if there is nothing at present."""
        study = self.stage.study
        with self.tidily():
            while not self.stopping:
                with study.event():
                    number = next_number(self.stage)
                    if number is None:
                        return None
                    decision = missing_decision(self.stage, study.trial(number))
                    if decision == GOES_ON:
                        return self._hand_out(ray_trial_id, study.trial(number))
                    study.set_attributes(number, error=None)  # of an end that a kill cut short
                    carry_out(self.stage, decision, study.trial(number))
                self._after(decision, number)
        return None

    def on_start(self, ray_trial_id: str) -> None:
        if live := self.live.get(ray_trial_id):
            live.began = time.monotonic()

    def on_result(self, ray_trial_id: str, result: dict[str, Any], checkpoint: str | None) -> bool:
        """Record one epoch, and the trial's end if this was it. Return whether the trial goes on."""
        live = self.live.get(ray_trial_id)
        if live is None:
            return False
        with self.tidily():
            if "no_room" in result:
                self.stop(f"trial {live.number} found its disk full ({result['no_room']}); free some room")
            elif error := result.get("error"):
                self._fail(ray_trial_id, error)
            elif fault := result.get("machine"):
                self.on_death(ray_trial_id, fault)
            else:
                self._record(ray_trial_id, result, checkpoint)
        return ray_trial_id in self.live and not self.stopping

    def on_death(self, ray_trial_id: str, reason: str, *, of_ray: bool = False) -> None:
        """Requeue the trial of a worker that died; fail it after a time-out or too many deaths.

        What a trial itself does wrong is reported as a result, so any other death is not the trial's fault. `of_ray`
        says that the worker died with Ray itself, which is not counted.
        """
        live = self.live.get(ray_trial_id)
        if live is None:
            return
        charge = {} if self.stopping or of_ray else self._charge(live)
        with self.tidily():
            if live.timed_out:
                limit = self.stage.trial_timeout
                self._fail(ray_trial_id, f"ran longer than resources.trial_timeout = {limit:g} s")
            elif charge.get("deaths_in_a_row", 0) > RETRIES:
                self._fail(ray_trial_id, f"its worker died {RETRIES + 1} times: {reason}", **charge)
            else:
                del self.live[ray_trial_id]
                with self.stage.study.event():
                    self.stage.study.set_attributes(live.number, **charge)
                    self.stage.study.requeue(live.number)
                if charge:
                    self.progress.say(f"trial {live.number}: its worker died; going on from its last checkpoint")

    def overdue(self) -> list[str]:
        """Return the ids of the trials that have just run out of time; each is named once."""
        limit, found = self.stage.trial_timeout, []
        for ray_trial_id, live in self.live.items():
            if limit is None or live.began is None or live.timed_out:
                continue
            if live.spent + time.monotonic() - live.began > limit:
                live.timed_out = True
                found.append(ray_trial_id)
        return found

    def tick(self) -> None:
        self.progress.tick(self.stopping)

    def stop(self, why: str) -> None:
        """End the stage as soon as possible; unfinished trials wait for a resumption."""
        self.stopped = self.stopped or why

    def settle(self) -> None:
        """End the trials that still wait for their promotion: others did better. A longer search may promote them."""
        study, unneeded = self.stage.study, []
        paused = [trial for trial in study.trials(TrialState.RUNNING) if is_paused(trial)]
        if not paused:
            return
        with self.tidily():
            with study.event():
                for trial in paused:
                    unneeded += checkpoints.forget(self.stage.checkpoints, study, trial.number)
                    study.finish(trial.number, TrialState.PRUNED)
            for folder in unneeded:
                object_store.delete(folder)
            self.progress.trials_settled([study.trial(trial.number) for trial in paused])

    @contextmanager
    def tidily(self) -> Iterator[None]:
        """Stop the search tidily on a full disk or a lost database; no trial is charged for it."""
        try:
            yield
        except Exception as error:
            if reason := why_lost(error):
                self.stop(f"the study's database no longer answers ({reason}); see to it")
            elif is_full(error):
                self.stop(f"the disk of {self.stage.checkpoints.run_dir} is full; free some room")
            else:
                self.failure = error
                self.stop("an error of the search itself")
                raise

    def _hand_out(self, ray_trial_id: str, trial: FrozenTrial) -> dict[str, Any]:
        stage, attributes = self.stage, trial.user_attrs
        if "started" not in attributes:
            stage.study.set_attributes(trial.number, seed=stage.seed, started=time.time())
        if "ended" in attributes:  # a version before this one was killed between the reason of an end and the end
            stage.study.set_attributes(trial.number, ended=None, error=None)
        # What came after the checkpoint is trained again.
        epochs = [epoch for epoch in epochs_of(trial) if epoch["epoch"] <= checkpoints.epoch_of(attributes)]
        hyperparameters = stage.hyperparameters(trial)
        spent = sum(epoch["seconds"] for epoch in epochs)
        self.live[ray_trial_id] = LiveTrial(trial.number, spent)
        return {
            "number": attributes.get(FRESH_SEED, trial.number),
            "seed": stage.seed,
            "hyperparameters": hyperparameters.model_dump(),
            "checkpoints": checkpoints.places(stage.checkpoints, attributes),
            "pauses": stage.pauses(hyperparameters.epochs),
            "may_be_lost": MAY_BE_LOST,
            "threads": stage.threads or stage.cpus,
            "refit": stage.refit,
            "precision": stage.precision,
        }

    def _record(self, ray_trial_id: str, result: dict[str, Any], checkpoint: str | None) -> None:
        """Write all that one epoch's result says in one transaction, the trial's end included."""
        study, live, unneeded = self.stage.study, self.live[ray_trial_id], []
        with study.event():
            self._record_about(live, result)
            metrics = {name: result[name] for name in EpochMetrics.__dataclass_fields__}
            study.record_epoch(live.number, {**metrics, "clock": self.clock})
            if checkpoint:
                unneeded = checkpoints.remember(self.stage.checkpoints, study, live.number, checkpoint, result["epoch"])
                if study.trial(live.number).user_attrs.get("deaths_in_a_row"):
                    study.set_attributes(live.number, deaths_in_a_row=0)
            trial = study.trial(live.number)
            decision = decision_after(self.stage, trial, result["epoch"])
            if decision != GOES_ON:
                carry_out(self.stage, decision, trial)
            elif not isinstance(study.study.pruner, NopPruner):
                # Decided: should this epoch be trained again, later peers must not judge it.
                study.set_attributes(live.number, passed=max(result["epoch"], trial.user_attrs.get("passed", 0)))
        for folder in unneeded:
            object_store.delete(folder)
        if decision != GOES_ON:
            del self.live[ray_trial_id]
            self._failures = 0
            self._after(decision, live.number)

    def _record_about(self, live: LiveTrial, result: dict[str, Any]) -> None:
        """Store where a trial runs, how fast its network is, and what was wrong with a checkpoint; warn of either."""
        about = {key.removeprefix("about/"): value for key, value in result.items() if key.startswith("about/")}
        known = self.stage.study.trial(live.number).user_attrs
        if about.get("gpu") and known.get("gpu") != about["gpu"] and about["device"] == "cpu":
            self.progress.warn(f"trial {live.number} has a GPU that torch can't use (no CUDA): training on the CPU")
        if LATENCY in known:
            about.pop(LATENCY, None)  # its first epoch was trained again; the decision on it stands
        elif reason := broken_by(about.get(LATENCY), self.stage.max_milliseconds_per_image):
            about[BROKEN] = reason
        if "damaged" in result:
            about["damaged"] = result["damaged"]
            self.progress.warn(f"trial {live.number}: {result['damaged']}")
        self.stage.study.set_attributes(live.number, **about)

    def _charge(self, live: LiveTrial) -> dict[str, int]:
        """Return the attributes that count a death: how many since the trial's last checkpoint, and the retries."""
        attributes = self.stage.study.trial(live.number).user_attrs
        in_a_row = int(attributes.get("deaths_in_a_row", 0)) + 1
        # A trial that fails at last was not tried again.
        retries = int(attributes.get("retries", 0)) + (in_a_row <= RETRIES)
        return {"deaths_in_a_row": in_a_row, "retries": retries}

    def _fail(self, ray_trial_id: str, error: str, **attributes: Any) -> None:
        live = self.live.pop(ray_trial_id)
        with self.stage.study.event():
            self.stage.study.set_attributes(live.number, **attributes)
            self.stage.study.finish(live.number, TrialState.FAIL, error)
        self._failures += 1
        self._after(TrialState.FAIL, live.number)
        if self._failures == self.stage.max_consecutive_failures:
            self.stop(
                f"{self._failures} trials in a row failed, the last with: {error}; correct the cause, and "
                "try them again with --retry-failed, or raise resources.max_consecutive_failures"
            )

    def _after(self, decision: Decision, number: int) -> None:
        """Report a trial whose end or pause is stored."""
        if decision == PAUSED:
            self.progress.trial_paused(self.stage.study.trial(number))
        else:
            self._after_end(number)

    def _after_end(self, number: int) -> None:
        """Report a trial whose end is stored, and delete the checkpoints that nothing needs any more."""
        study = self.stage.study
        trial = study.trial(number)
        self.progress.trial_ended(trial)
        checkpoints.delete_unneeded(self.stage.checkpoints, study, trial, self.stage.kept_checkpoints)
