"""One attempt of a worker at a trial: how it begins, what the worker is given, how long it may take, how it dies."""

import time
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from search.store import checkpoints
from search.store.stage import Stage
from search.store.study import FRESH_SEED, epochs_of
from search.trials.machine_faults import MachineFaults

RETRIES = 2  # times in a row, without a new checkpoint between, that a trial whose worker died is tried again
MAY_BE_LOST = 10.0  # seconds of training that a killed worker may cost, where an epoch is shorter


@dataclass
class LiveTrial:
    """A trial in the hands of a worker."""

    number: int
    spent: float  # seconds of training before this attempt
    began: float | None = None
    waited_before: float = 0.0  # seconds that the storage had waited for its database when it began
    timed_out: bool = False

    def is_overdue(self, limit: float, waited: float) -> bool:
        """Return whether the trial has been trained for more than `limit` seconds, those of earlier attempts too.

        What the storage has `waited` for its database since the attempt began is not counted: workers wait then too.
        """
        if self.began is None:
            return False
        return self.spent + time.monotonic() - self.began - (waited - self.waited_before) > limit


def begin(stage: Stage, trial: FrozenTrial) -> LiveTrial:
    """Store that an attempt at a trial begins, and return it.

    What came after the trial's checkpoint is trained again, so the time that it took is not counted as spent.
    """
    if "started" not in trial.user_attrs:
        stage.study.set_attributes(trial.number, seed=stage.seed, started=time.time())
    if "ended" in trial.user_attrs:  # a version before this one was killed between the reason of an end and the end
        stage.study.set_attributes(trial.number, ended=None, error=None)
    saved = checkpoints.epoch_of(trial.user_attrs)
    return LiveTrial(trial.number, sum(epoch["seconds"] for epoch in epochs_of(trial) if epoch["epoch"] <= saved))


def config_of(stage: Stage, trial: FrozenTrial, faults: MachineFaults) -> dict[str, Any]:
    """Return what a worker needs to know to train a trial, from its newest checkpoint on, where no `faults` are."""
    hyperparameters = stage.hyperparameters(trial)
    return {
        "number": trial.user_attrs.get(FRESH_SEED, trial.number),
        "seed": stage.seed,
        "hyperparameters": hyperparameters.model_dump(),
        "checkpoints": checkpoints.places(stage.checkpoints, trial.user_attrs),
        "pauses": stage.pauses(hyperparameters.epochs),
        "may_be_lost": MAY_BE_LOST,
        "threads": stage.threads or stage.cpus,
        "refit": stage.refit,
        "precision": stage.precision,
        "avoided": faults.avoided,
        "left_out": sorted(fault.place for fault in faults.left_out if "/" not in fault.place),  # machines
    }


def charge_of(trial: FrozenTrial) -> dict[str, int]:
    """Return the attributes that count a death: how many since the trial's last checkpoint, and the retries."""
    in_a_row = int(trial.user_attrs.get("deaths_in_a_row", 0)) + 1
    # A trial that fails at last was not tried again.
    retries = int(trial.user_attrs.get("retries", 0)) + (in_a_row <= RETRIES)
    return {"deaths_in_a_row": in_a_row, "retries": retries}
