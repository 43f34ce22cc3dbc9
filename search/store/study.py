"""One Optuna study of a run, which is the truth about its trials: how it is opened, written to and counted."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.store.storage import RunStorage
from search.strategy.constraint import valid
from search.strategy.given import quiet_optuna
from search.strategy.promotion import PAUSED, is_paused, is_under_way

SEARCH, CONFIRM, REFIT, PICKED = "search", "confirm", "refit", "picked"
STUDIES = (SEARCH, CONFIRM, REFIT, PICKED)
# The user attributes of a trial's two checkpoints, {"place": path below the run folder, "epoch": number}. Their names,
# as stored in the runs that there are, call a checkpoint a state.
NEWEST, BEFORE = "saved_state", "state_before"
# User attributes of a run on a fresh seed: the seed's number, from 1, which runs of other candidates share; and, of a
# run of the article's recipe, what differs from it.
FRESH_SEED, OF_RECIPE = "fresh_seed", "recipe"
EPOCH = "epoch:"  # user attributes epoch:1, epoch:2, ... hold the metrics of one epoch each


@dataclass(frozen=True)
class Audit:
    """Numbers of trials in a study before it runs: finished, paused, begun with or without a checkpoint, still to do.

    `to_do` includes those that are paused or were begun.
    """

    kept: int
    paused: int
    continued: int
    restarted: int
    to_do: int


@dataclass(frozen=True)
class StoredStudy:
    """An Optuna study and the storage that holds it. Its methods name a trial by its number."""

    name: str
    study: optuna.Study
    storage: RunStorage

    def event(self) -> AbstractContextManager[None]:
        """Return a context manager that writes all changes made within it in one transaction."""
        return self.storage.transaction()

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return all trials, or those in `states`, in the order of their numbers. The caller must not change them."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def trial(self, number: int) -> FrozenTrial:
        return self.trials()[number]

    def set_attributes(self, number: int, **attributes: Any) -> None:
        """Set user attributes of a trial that has not ended; write only those whose value changes."""
        trial_id, known = self._id(number), self.trial(number).user_attrs
        for key, value in attributes.items():
            if key not in known or known[key] != value:
                self.storage.set_trial_user_attr(trial_id, key, value)

    def record_epoch(self, number: int, metrics: dict[str, Any]) -> None:
        """Store the metrics of one epoch of a trial. A repeated epoch (after a restart) replaces the earlier one."""
        self.set_attributes(number, **{f"{EPOCH}{metrics['epoch']}": metrics})
        self.storage.set_trial_intermediate_value(self._id(number), metrics["epoch"], metrics["val_accuracy"])

    def finish(self, number: int, state: TrialState, error: str | None = None) -> None:
        """End a trial in `state`. Its value is that of its last epoch, not of its luckiest; a failed one has none."""
        self.set_attributes(number, ended=time.time())
        if error is not None:
            self.set_attributes(number, error=error)
        epochs = self.trial(number).intermediate_values
        values = None if state == TrialState.FAIL else [epochs[max(epochs)]]
        self.storage.set_trial_state_values(self._id(number), state, values)

    def pause(self, number: int, rung: int) -> None:
        """Let a running trial wait at a rung for its promotion. Optuna has no such state: it stays RUNNING."""
        self.set_attributes(number, **{PAUSED: rung})

    def promote(self, number: int) -> None:
        """Let a paused trial go on, though it was pruned when an earlier session ended the search."""
        if self.trial(number).state == TrialState.PRUNED:
            self.storage.reopen(self._id(number))
        self.set_attributes(number, passed=self.trial(number).user_attrs[PAUSED], **{PAUSED: None})

    def requeue(self, number: int) -> None:
        """Put a running trial back in line: the next ask returns it with its number, parameters and values."""
        self.storage.set_trial_state_values(self._id(number), TrialState.WAITING)

    def requeue_interrupted(self) -> None:
        """Put all trials back in line that were running when this driver, or an earlier one, stopped."""
        with self.event():
            for trial in self.trials(TrialState.RUNNING):
                if not is_paused(trial):
                    self.requeue(trial.number)

    def retry_failed(self, given_up: Sequence[str] = ()) -> int:
        """Put all failed trials back in line, as if no worker of theirs had died yet; return how many there are.

        Those whose error is one of `given_up` stay as they are: nobody needs them any more.
        """
        with self.event():
            failed = [trial for trial in self.trials(TrialState.FAIL) if trial.user_attrs.get("error") not in given_up]
            for trial in failed:
                self.storage.reopen(self._id(trial.number))
                # Its checkpoints were deleted when it failed: it begins again.
                self.set_attributes(trial.number, error=None, deaths_in_a_row=0, **{NEWEST: None, BEFORE: None})
                self.requeue(trial.number)
        return len(failed)

    def enqueue(self, params: dict[str, Any], **attributes: Any) -> None:
        """Put a new trial with these parameters and user attributes in line."""
        with self.event():
            self.study.enqueue_trial(params, user_attrs=attributes)

    def best(self, count: int | None = None) -> list[FrozenTrial]:
        """Return the `count` best complete trials, or all, best first; of equals the lower number comes first."""
        complete = self.trials(TrialState.COMPLETE)  # in the order of their numbers, which sorting keeps among equals
        return sorted(complete, key=lambda trial: trial.value or 0.0, reverse=True)[:count]

    def furthest(self, count: int) -> list[FrozenTrial]:
        """Return the `count` trials that were trained longest, without failed and excluded ones, the best first."""
        begun = valid(self.trials())
        reached = [(trial.last_step, trial) for trial in begun if trial.last_step is not None]
        reached.sort(key=lambda pair: (-pair[0], -pair[1].intermediate_values[pair[0]], pair[1].number))
        return [trial for _, trial in reached[:count]]

    def audit(self, trials: int = 0) -> Audit:
        """Return the numbers of trials that are kept, paused, continued, restarted and still to do.

        `trials` is the number of trials to suggest; with 0 only those already in the study are to do.
        """
        everything = self.trials()
        kept = [trial for trial in everything if trial.state.is_finished()]
        paused = [trial for trial in everything if is_paused(trial)]
        begun = [trial for trial in everything if is_under_way(trial) and "started" in trial.user_attrs]
        continued = [trial for trial in begun if trial.user_attrs.get(NEWEST)]
        to_do = max(trials, len(everything)) - len(kept)
        return Audit(len(kept), len(paused), len(continued), len(begun) - len(continued), to_do)

    def searched_seconds(self) -> float:
        """Return the seconds spent searching so far in all sessions, without the pauses between them."""
        clocks = [metrics["clock"] for trial in self.trials() for metrics in epochs_of(trial)]
        return max(clocks, default=0.0)

    def _id(self, number: int) -> int:
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)


def open_study(
    storage: RunStorage, name: str, sampler: BaseSampler | None = None, pruner: BasePruner | None = None
) -> StoredStudy:
    """Return the study `name` of a run, created if absent; its objective is the validation accuracy, maximised.

    A study whose trials are all in line already needs no sampler; without a pruner no trial is stopped early.
    """
    with quiet_optuna():
        study = optuna.create_study(
            storage=storage,
            study_name=storage.prefix + name,
            direction="maximize",
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner or optuna.pruners.NopPruner(),
        )
    return StoredStudy(name, study, storage)


def epochs_of(trial: FrozenTrial) -> list[dict[str, Any]]:
    """Return the metrics of a trial's epochs, in the order in which they were stored."""
    return [value for key, value in trial.user_attrs.items() if key.startswith(EPOCH)]
