"""The pace of a training: which trials can be compared before their ends, and how long each of them is to train."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from model.hyperparameters import PLANNED_SCHEDULES


class Pace(NamedTuple):
    """The group of trials whose values at equal steps can be compared, and the steps planned for one (None: unknown).

    Trials of one group may be of different lengths. A trial whose length is unknown is taken to be as long as any.
    """

    group: Hashable = None
    length: int | None = None


PaceOf = Callable[[Mapping[str, Any]], Pace]  # of the parameters of a trial


def same_pace(params: Mapping[str, Any]) -> Pace:
    """Return the pace of every trial where all can be compared at each step."""
    return Pace()


def training_pace(fixed: Mapping[str, Any]) -> PaceOf:
    """Return the pace of trainings, whose parameters that are not searched have the values `fixed`.

    Trials of different schedules are not compared before their ends: one-cycle lies behind step at an early epoch, and
    may be ahead at the end. Where the schedule depends on the planned number of epochs, neither are trials of different
    lengths; with the other schedules a training of 14 epochs is at epoch 3 what one of 3 epochs is.
    """

    def pace_of(params: Mapping[str, Any]) -> Pace:
        schedule = params.get("schedule", fixed.get("schedule"))
        epochs = params.get("epochs", fixed.get("epochs"))
        return Pace((schedule, epochs if schedule in PLANNED_SCHEDULES else None), epochs)

    return pace_of
