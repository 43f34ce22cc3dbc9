"""Notices that a search waits for CPUs or GPUs that other jobs of its cluster hold; Ray waits without a word."""

import time
from collections.abc import Callable
from typing import Any

from model.errors import ConfigError
from search.on_ray import ray_internals
from search.on_ray.slots import Slots
from search.on_ray.work import Work

NOTICE = 10.0  # seconds of waiting after which a warning says so
WHO = "other jobs of the cluster hold them (`ray status` shows what is used)"


class Waiting:
    """Watches whether the trials that were handed out have a place: says so once none has, and once they go on."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said = False

    def look(self, work: Work) -> None:
        """Warn if all trials in hand have waited for CPUs or GPUs for `NOTICE` seconds; say when one has begun."""
        if not work.trials or not (live := list(work.trials.live.values())):
            self._since = None
        elif any(trial.began is not None for trial in live):
            self._since = None
            if self._said:
                self._said = False
                work.trials.progress.say("the wait is over: trials run again")
        elif work.trials.faults.held(left_out=False) or not ray_internals.waits_for_room():
            self._since = None  # our own workers rest, or are starting
        elif self._since is None:
            self._since = time.monotonic()
        elif not self._said and time.monotonic() - self._since >= NOTICE:
            self._said = True
            none = f"waiting: no machine has {_needs(work.slots)} free, as a trial needs; {WHO}"
            work.trials.progress.warn(f"{none}; trials begin as these end, Ctrl-C ends this search")


def wait_for_gpus(groups: list[Any], limit: float, warn: Callable[[str], None]) -> None:
    """Wait until Ray has found the GPUs of all placement groups. Raises ConfigError after `limit` seconds.

    After `NOTICE` seconds a warning says why it waits.
    """
    until, said = time.monotonic() + limit, False
    for group in groups:
        if not said and not group.wait(NOTICE):
            said = True
            whole = "waiting for a whole GPU on each machine, to measure how many trials fit on one"
            warn(f"{whole}; {WHO}; for no measurement set resources.trials_per_gpu")
        if not group.wait(max(0.0, until - time.monotonic())):
            raise ConfigError("GPUs of the cluster are taken by others; wait, or set resources.trials_per_gpu")


def _needs(slots: Slots) -> str:
    """Return the words for what a trial with these slots takes of a machine."""
    cpus = f"{slots.cpus} CPU" + "s" * (slots.cpus > 1)
    if not slots.per_gpu:
        return cpus
    return cpus + (" and a GPU" if slots.per_gpu == 1 else f" and 1/{slots.per_gpu} of a GPU")
