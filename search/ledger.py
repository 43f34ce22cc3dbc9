"""The state of one stage and every decision on it: what is asked, recorded, pruned and told. No Ray in here.

Every result is in the study before the engine's next step, so a search can be killed at any moment, and a resumed one
hands the same trial numbers, with their last saved states, to new workers.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from model.errors import is_full
from model.hyperparameters import Hyperparameters
from model.train import EpochMetrics
from search import pruning, sampling
from search.progress import Progress
from search.space import complete
from search.stage import Stage
from search.store import checkpoints as states
from search.store import study
from search.store.database import why_lost

RETRIES = 2  # times in a row, without a new saved state between, that a trial whose worker died is tried again
INTERRUPTED = "interrupted"


@dataclass
class LiveTrial:
    """A trial in the hands of a worker."""

    trial_id: int
    number: int
    hyperparameters: Hyperparameters
    began: float | None = None
    spent: float = 0.0  # seconds of training before this attempt
    timed_out: bool = False


class Ledger:
    """The state of one stage in this process, and every decision on it. `stopped` says why it ended early, if so."""

    def __init__(self, stage: Stage, progress: Progress, gone: threading.Event | None = None) -> None:
        self.stage = stage
        self.progress = progress
        self.gone = gone or threading.Event()  # set when Ray itself is gone
        self.live: dict[str, LiveTrial] = {}
        self.stopped: str | None = None
        self._failures = 0  # in a row, in this session
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
        return self.stopped is not None or self.out_of_time or self.gone.is_set()

    @property
    def out_of_time(self) -> bool:
        return self.stage.max_seconds is not None and self.clock >= self.stage.max_seconds

    def next_config(self, worker: str) -> dict[str, Any] | None:
        """What `worker` (the engine's own id of a trial) should train next; None if there is nothing at present."""
        with self.tidily():
            while not self.stopping and self._anything_to_ask():
                stage = self.stage
                trial = sampling.ask(stage.study, stage.space.searched, stage.search.sampler, stage.search.seed)
                if not self._settle(trial):
                    return self._hand_out(worker, trial)
        return None

    @property
    def finished(self) -> bool:
        """Whether nothing will ever be handed out again; a live trial may still come back from a dead worker."""
        return self.stopping or not (self.live or self._anything_to_ask())

    def on_result(self, worker: str, result: dict[str, Any], saved_state: Path | None) -> bool:
        """Record one epoch, then tell the trial's end if this was it. True if the trial goes on."""
        live = self.live.get(worker)
        if live is None:
            return False
        with self.tidily():
            if "no_room" in result:
                self.stop(f"trial {live.number} found its disk full ({result['no_room']}); free some room")
            elif error := result.get("error"):
                self._end(worker, TrialState.FAIL, error)
            else:
                self._record(live, result, saved_state)
                if result["epoch"] >= live.hyperparameters.epochs:
                    self._end(worker, TrialState.COMPLETE)
                elif self._prunes(live.trial_id, result["epoch"], live.hyperparameters.epochs):
                    self._end(worker, TrialState.PRUNED)
                elif saved_state:  # decided: going on from this state must not judge it again, by later peers
                    study.set_attributes(self.stage.study, live.trial_id, passed=result["epoch"])
        return worker in self.live and not self.stopping

    def on_death(self, worker: str, reason: str) -> None:
        """A worker ended without a word: out of time, killed, or never started. What a trial itself does wrong is
        reported as a result (trial.py), so any other death is not the trial's fault: it is handed out again."""
        live = self.live.get(worker)
        if live is None:
            return
        with self.tidily():
            if live.timed_out:
                limit = self.stage.trial_timeout
                self._end(worker, TrialState.FAIL, f"ran longer than resources.trial_timeout = {limit:g} s")
            elif not self.stopping and self._charge(live) > RETRIES:
                self._end(worker, TrialState.FAIL, f"its worker died {RETRIES + 1} times: {reason}")
            else:
                del self.live[worker]
                study.requeue(self.stage.study, live.trial_id)
                if not self.stopping:
                    self.progress.say(f"trial {live.number}: its worker died; going on from its last saved state")

    def on_start(self, worker: str) -> None:
        if live := self.live.get(worker):
            live.began = time.monotonic()

    def overdue(self) -> list[str]:
        """The workers whose trials have just run out of time; each is named once."""
        limit = self.stage.trial_timeout
        found = [
            worker
            for worker, live in self.live.items()
            if limit is not None
            and live.began is not None
            and not live.timed_out
            and live.spent + time.monotonic() - live.began > limit
        ]
        for worker in found:
            self.live[worker].timed_out = True
        return found

    def tick(self) -> None:
        self.progress.tick(running=len(self.live), stopping=self.stopping)

    @contextmanager
    def tidily(self) -> Iterator[None]:
        """A full disk or a lost database stops the search tidily: no trial is charged, and what could not be written
        is done again."""
        try:
            yield
        except Exception as error:
            if reason := why_lost(error):
                self.stop(f"the study's database no longer answers ({reason}); see to it")
            elif is_full(error):
                self.stop(f"the disk of {self.stage.run_dir} is full; free some room")
            else:
                raise

    def _anything_to_ask(self) -> bool:
        trials = self.stage.study.get_trials(deepcopy=False)
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or len(trials) < self.stage.trials

    def _settle(self, trial: FrozenTrial) -> bool:
        """Tell a trial that was interrupted between its last value and its end; True if that was all it lacked."""
        hyperparameters = complete(self.stage.space, trial.params)
        last = max(trial.intermediate_values, default=0)
        if last == 0 or states.epoch_of(trial.user_attrs) != last:
            return False  # what lies between the saved state and the last value is trained again
        state = TrialState.COMPLETE if last >= hyperparameters.epochs else TrialState.PRUNED
        if state == TrialState.PRUNED and (
            trial.user_attrs.get("passed") == last or not self._prunes(trial._trial_id, last, hyperparameters.epochs)
        ):
            return False
        study.set_attributes(self.stage.study, trial._trial_id, error=None)  # of an end that a kill cut short
        study.finish(self.stage.study, trial._trial_id, state)
        self._after_end(trial._trial_id)
        return True

    def _hand_out(self, worker: str, trial: FrozenTrial) -> dict[str, Any]:
        stage, attributes = self.stage, trial.user_attrs
        hyperparameters = complete(stage.space, trial.params)
        if "started" not in attributes:
            # `started` last: it says that the trial has begun, and a kill may fall between the two.
            study.set_attributes(stage.study, trial._trial_id, seed=stage.seed, started=time.time())
        if "ended" in attributes:  # killed between the reason of an end and the end itself
            study.set_attributes(stage.study, trial._trial_id, ended=None, error=None)
        epochs = [value for key, value in attributes.items() if key.startswith(study.EPOCH)]
        # What came after the saved state is trained again.
        spent = sum(epoch["seconds"] for epoch in epochs if epoch["epoch"] <= states.epoch_of(attributes))
        self.live[worker] = LiveTrial(trial._trial_id, trial.number, hyperparameters, spent=spent)
        return {
            "number": trial.number,
            "seed": stage.seed,
            "hyperparameters": hyperparameters.model_dump(),
            "saved_states": states.places(stage.run_dir, attributes),
            "rungs": pruning.rungs(stage.search, hyperparameters.epochs),
            "cpus": stage.cpus,
        }

    def _record(self, live: LiveTrial, result: dict[str, Any], saved_state: Path | None) -> None:
        of_stage = self.stage.study
        attributes = self._attributes(live.trial_id)
        about = {key.removeprefix("about/"): value for key, value in result.items() if key.startswith("about/")}
        changed = {key: value for key, value in about.items() if attributes.get(key) != value}
        study.set_attributes(of_stage, live.trial_id, **changed)
        if changed.get("gpu") and about["device"] == "cpu":
            self.progress.warn(f"trial {live.number} has a GPU that torch can't use (no CUDA): training on the CPU")
        metrics = {name: result[name] for name in EpochMetrics.__dataclass_fields__}
        study.record_epoch(of_stage, live.trial_id, {**metrics, "clock": self.clock})
        if "damaged" in result:
            study.set_attributes(of_stage, live.trial_id, damaged=result["damaged"])
            self.progress.warn(f"trial {live.number}: {result['damaged']}")
        if saved_state:
            states.remember(self.stage.run_dir, of_stage, live.trial_id, saved_state, result["epoch"])
            if attributes.get("deaths_in_a_row"):
                study.set_attributes(of_stage, live.trial_id, deaths_in_a_row=0)

    def _prunes(self, trial_id: int, epoch: int, epochs: int) -> bool:
        return pruning.prunes(self.stage.search, self.stage.study, trial_id, epoch, epochs)

    def _end(self, worker: str, state: TrialState, error: str | None = None) -> None:
        live = self.live.pop(worker)
        study.finish(self.stage.study, live.trial_id, state, error)
        self._after_end(live.trial_id)
        self._failures = self._failures + 1 if state == TrialState.FAIL else 0
        if self._failures == self.stage.max_consecutive_failures:
            self.stop(
                f"{self._failures} trials in a row failed, the last with: {error}; correct the cause (failed "
                "trials are not tried again), or raise resources.max_consecutive_failures"
            )

    def stop(self, why: str) -> None:
        """End the stage as soon as may be; what is unfinished waits for a resumption."""
        self.stopped = self.stopped or why

    def _charge(self, live: LiveTrial) -> int:
        """Count a death; the number of deaths since the trial's last saved state, this one included."""
        attributes = self._attributes(live.trial_id)
        in_a_row = int(attributes.get("deaths_in_a_row", 0)) + 1
        # A trial that fails at last was not tried again.
        retries = attributes.get("retries", 0) + (in_a_row <= RETRIES)
        study.set_attributes(self.stage.study, live.trial_id, deaths_in_a_row=in_a_row, retries=retries)
        return in_a_row

    def _after_end(self, trial_id: int) -> None:
        """The line for the person, and the deletion of states that nothing can need any more."""
        of_stage = self.stage.study
        trial = of_stage._storage.get_trial(trial_id)
        self.progress.trial_ended(trial, study.best_trials(of_stage, 1))
        states.delete_unneeded(self.stage.run_dir, of_stage, trial, self.stage.kept_states)

    def _attributes(self, trial_id: int) -> dict[str, Any]:
        return dict(self.stage.study._storage.get_trial(trial_id).user_attrs)
