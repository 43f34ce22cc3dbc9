"""One Optuna study of a run, which is the truth about its trials: opened, written by events, counted."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.store.storage import RunStorage

SEARCH, CONFIRM, REFIT = "search", "confirm", "refit"
EPOCH = "epoch:"  # user attributes epoch:1, epoch:2, ... hold the metrics of one epoch each


@dataclass(frozen=True)
class Audit:
    """What a study holds before anything runs: finished trials, begun ones with and without checkpoint, the rest."""

    kept: int
    continued: int
    restarted: int
    to_do: int


@dataclass(frozen=True)
class StoredStudy:
    """An Optuna study and the storage that it lies in. Trials are named by their numbers."""

    name: str
    study: optuna.Study
    storage: RunStorage

    def event(self) -> AbstractContextManager[None]:
        """Write all that happens within in one transaction."""
        return self.storage.transaction()

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return all trials, or those in `states`, in the order of their numbers. They must not be changed."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def trial(self, number: int) -> FrozenTrial:
        return self.trials()[number]

    def set_attributes(self, number: int, **attributes: Any) -> None:
        """Set user attributes of a trial that has not ended; those that have the value already stay as they are."""
        trial_id, known = self._id(number), self.trial(number).user_attrs
        for key, value in attributes.items():
            if key not in known or known[key] != value:
                self.storage.set_trial_user_attr(trial_id, key, value)

    def record_epoch(self, number: int, metrics: dict[str, Any]) -> None:
        """Store the metrics of one epoch. A repeated epoch (after a restart) replaces the earlier one."""
        self.set_attributes(number, **{f"{EPOCH}{metrics['epoch']}": metrics})
        self.storage.set_trial_intermediate_value(self._id(number), metrics["epoch"], metrics["val_accuracy"])

    def finish(self, number: int, state: TrialState, error: str | None = None) -> None:
        """End a trial. COMPLETE and PRUNED take the last epoch's value: there is no picking of lucky epochs."""
        self.set_attributes(number, ended=time.time(), **({} if error is None else {"error": error}))
        epochs = self.trial(number).intermediate_values
        values = None if state == TrialState.FAIL else [epochs[max(epochs)]]
        self.storage.set_trial_state_values(self._id(number), state, values)

    def requeue(self, number: int) -> None:
        """Hand a trial back: the next ask returns it with its number, parameters and values."""
        self.storage.set_trial_state_values(self._id(number), TrialState.WAITING)

    def requeue_interrupted(self) -> None:
        """Hand back all trials that were running when an earlier driver, or this one, ended."""
        with self.event():
            for trial in self.trials(TrialState.RUNNING):
                self.requeue(trial.number)

    def enqueue(self, params: dict[str, Any], **attributes: Any) -> None:
        """Put a trial with these parameters in line."""
        with self.event():
            self.study.enqueue_trial(params, user_attrs=attributes)

    def best(self, count: int | None = None) -> list[FrozenTrial]:
        """Return the complete trials of highest value, best first; the lower number first among equals."""
        complete = self.trials(TrialState.COMPLETE)
        return sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))[:count]

    def audit(self, trials: int = 0) -> Audit:
        """Count what the study holds of a search of `trials`; 0 counts those alone that are in line."""
        everything = self.trials()
        kept = [trial for trial in everything if trial.state.is_finished()]
        begun = [trial for trial in everything if not trial.state.is_finished() and "started" in trial.user_attrs]
        continued = [trial for trial in begun if "saved_state" in trial.user_attrs]
        to_do = max(trials, len(everything)) - len(kept)
        return Audit(len(kept), len(continued), len(begun) - len(continued), to_do)

    def searched_seconds(self) -> float:
        """Return the seconds of searching so far, over all sessions, pauses between them left out."""
        clocks = [metrics["clock"] for trial in self.trials() for metrics in epochs_of(trial)]
        return max(clocks, default=0.0)

    def _id(self, number: int) -> int:
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)


def open_study(
    storage: RunStorage, name: str, sampler: BaseSampler | None = None, pruner: BasePruner | None = None
) -> StoredStudy:
    """Return the study `name` of a run, created if absent. One objective: validation accuracy, to be maximised.

    A study that only works off what is in line needs no sampler; without a pruner nothing is stopped early.
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


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's log lines off the terminal for a while; the person gets ours."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def epochs_of(trial: FrozenTrial) -> list[dict[str, Any]]:
    """Return the metrics of a trial's epochs, in the order in which they were stored."""
    return [value for key, value in trial.user_attrs.items() if key.startswith(EPOCH)]
