"""Trials, with every event of theirs: one is handed out, reports an epoch, loses its worker, ends.

Each event is one transaction, on disk before the engine's next step, so a search can be killed at any moment. A resumed
search hands the same trial numbers, with their checkpoints, to new workers.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.trial import TrialState

from search.decisions import GOES_ON, Decision, anything_to_hand_out, carry_out, missing_decision, next_number
from search.progress import Progress
from search.store import checkpoints, object_store
from search.store.lost import stop_reason
from search.store.stage import Stage
from search.strategy.promotion import PAUSED, is_paused
from search.trials.attempt import RETRIES, LiveTrial, begin, charge_of, config_of
from search.trials.epoch import record
from search.trials.machine_faults import OUTAGE, MachineFault, MachineFaults

INTERRUPTED = "interrupted"


class Trials:
    """The trials of one stage, and every decision on them. `stopped` says why the stage ended early, if it did.

    Workers are known by the engine's own id of a trial, `ray_trial_id`: another one for each attempt.
    """

    def __init__(
        self,
        stage: Stage,
        progress: Progress,
        gone: threading.Event | None = None,
        faults: MachineFaults | None = None,
    ) -> None:
        self.stage = stage
        self.progress = progress
        self.gone = gone or threading.Event()  # set when Ray itself is gone
        self.faults = faults or MachineFaults()
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
                    trial = study.trial(number)
                    decision = missing_decision(self.stage, trial)
                    if decision == GOES_ON:
                        self.live[ray_trial_id] = begin(self.stage, trial)
                        return config_of(self.stage, trial, self.faults)
                    study.set_attributes(number, error=None)  # of an end that a kill cut short
                    carry_out(self.stage, decision, trial)
                self._after(decision, number)
        return None

    def on_start(self, ray_trial_id: str) -> None:
        if live := self.live.get(ray_trial_id):
            live.began, live.waited_before = time.monotonic(), self.stage.study.storage.waited

    def on_result(self, ray_trial_id: str, result: dict[str, Any], checkpoint: str | None) -> bool:
        """Record one epoch, and the trial's end if this was it. Return whether the trial goes on."""
        if "machine" in result:
            return self._on_machine_fault(ray_trial_id, result)
        live = self.live.get(ray_trial_id)
        if live is None:
            return False
        with self.tidily():
            if "no_room" in result:
                where = f" on host {result['host']}" if "host" in result else ""
                self.stop(f"trial {live.number} found its disk full{where} ({result['no_room']}); free some room")
            elif error := result.get("error"):
                self._fail(ray_trial_id, error)
            else:
                self._record(ray_trial_id, result, checkpoint)
        return ray_trial_id in self.live and not self.stopping

    def _on_machine_fault(self, ray_trial_id: str, result: dict[str, Any]) -> bool:
        """Put a trial back in line that met a fault of its machine; return whether its worker is to rest.

        The fault counts against the machine, and against the trial only where that may be its cause: by what the
        worker says ("charged"), or as the same happened to it where other trials have no trouble. A worker that rests
        already, or is at a place to avoid, reports no new fault.
        """
        place, reason = result["place"], result["machine"]
        fault = MachineFault(place, result["place_name"], reason)
        if live := self.live.get(ray_trial_id):
            if reason and (self.faults.may_be_of(live.number, fault) or result.get("charged")):
                self.on_death(ray_trial_id, str(fault), what="it met a fault")
            else:
                with self.tidily():
                    self._requeue(ray_trial_id)
        if reason:
            if said := self.faults.note(fault):
                self.progress.warn(said)
            if self.faults.is_outage(live.began for live in self.live.values()):
                minutes = f"{OUTAGE / 60:g} minutes"
                self.stop(f"no machine has saved a checkpoint for {minutes}: {fault}; correct the cause")
        return self.faults.rests(ray_trial_id, place) and not self.stopping

    def on_death(
        self,
        ray_trial_id: str,
        reason: str,
        *,
        of_machine: bool = False,
        of_ray: bool = False,
        what: str = "its worker died",
    ) -> None:
        """Requeue the trial of a worker that died; fail it after a time-out or too many deaths.

        `of_machine` and `of_ray` say that the worker died with its machine, or with Ray itself, which is not counted.
        `what` says what happened, in words.
        """
        self.faults.forget(ray_trial_id)
        live = self.live.get(ray_trial_id)
        if live is None:
            return
        charge = {} if self.stopping or of_machine or of_ray else charge_of(self.stage.study.trial(live.number))
        with self.tidily():
            if live.timed_out:
                limit = self.stage.trial_timeout
                self._fail(ray_trial_id, f"ran longer than resources.trial_timeout = {limit:g} s")
            elif charge.get("deaths_in_a_row", 0) > RETRIES:
                self._fail(ray_trial_id, f"{what} {RETRIES + 1} times: {reason}", **charge)
            else:
                self._requeue(ray_trial_id, **charge)
                if charge or (of_machine and not self.stopping):
                    what = what if charge else "its machine was lost"
                    self.progress.say(f"trial {live.number}: {what}; going on from its last checkpoint")

    def overdue(self) -> list[str]:
        """Return the ids of the trials that have just run out of time; each is named once."""
        limit, found = self.stage.trial_timeout, []
        for ray_trial_id, live in self.live.items():
            if limit is not None and not live.timed_out and live.is_overdue(limit, self.stage.study.storage.waited):
                live.timed_out = True
                found.append(ray_trial_id)
        return found

    def tick(self) -> None:
        self.progress.tick(self.stopping)

    def stop(self, why: str) -> None:
        """End the stage as soon as possible; unfinished trials wait for a resumption."""
        self.stopped = self.stopped or why

    def settle(self) -> None:
        """End the trials that still wait for their promotion: others did better. A longer search may promote them.

        The stage has ended, so nobody looks at `stopped` any more: what can't be stored is raised.
        """
        study, unneeded = self.stage.study, []
        paused = [trial for trial in study.trials(TrialState.RUNNING) if is_paused(trial)]
        if not paused:
            return
        with study.event():
            for trial in paused:
                unneeded += checkpoints.forget(self.stage.checkpoints, study, trial.number)
                study.finish(trial.number, TrialState.PRUNED)
        for folder in unneeded:
            object_store.delete(folder)
        self.progress.trials_settled([study.trial(trial.number) for trial in paused])

    @contextmanager
    def tidily(self) -> Iterator[None]:
        """Stop the stage tidily on a full disk or a lost database; no trial is charged for it.

        For the events of a stage at work, which ends then: `run_stage` reads `stopped`.
        """
        try:
            yield
        except Exception as error:
            if reason := stop_reason(error, self.stage.checkpoints.run_dir):
                self.stop(reason)
            else:
                self.failure = error
                self.stop("an error of the search itself")
                raise

    def _record(self, ray_trial_id: str, result: dict[str, Any], checkpoint: str | None) -> None:
        """Store one epoch, and let go of the trial if it ends or pauses after it."""
        number = self.live[ray_trial_id].number
        if checkpoint:
            for name in self.faults.note_checkpoint(number, result.get("places", [])):
                self.progress.say(f"{name} saves checkpoints again")
        decision = record(self.stage, self.progress, number, result, checkpoint, self.clock)
        if decision != GOES_ON:
            del self.live[ray_trial_id]
            self._failures = 0
            self._after(decision, number)

    def _requeue(self, ray_trial_id: str, **attributes: Any) -> None:
        live = self.live.pop(ray_trial_id)
        with self.stage.study.event():
            self.stage.study.set_attributes(live.number, **attributes)
            self.stage.study.requeue(live.number)

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
        """Report a trial whose end or pause is stored; after an end, delete the checkpoints that nothing needs now."""
        study = self.stage.study
        trial = study.trial(number)
        if decision == PAUSED:
            self.progress.trial_paused(trial)
            return
        self.progress.trial_ended(trial)
        checkpoints.delete_unneeded(self.stage.checkpoints, study, trial, self.stage.kept_checkpoints)
