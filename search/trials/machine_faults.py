"""Faults of machines: each counts against the machine, or one GPU of it, and not against the trial that met it.

A faulty machine rests, longer after each further fault in a row. It is left out once others do what it can't. Where
none can, that is an outage, which ends the search after a while.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

REST, LONGEST_REST = 5.0, 60.0  # seconds after the first fault, doubled after each further one in a row
MOST_FAULTS = 3  # in a row, after another machine saved a checkpoint meanwhile, for which a machine is left out
OUTAGE = 600.0  # seconds without a checkpoint from any machine, from the first fault on, that a search waits


@dataclass(frozen=True)
class MachineFault:
    """A fault as a worker reports it.

    Attributes:
        place: The machine's id, or "MACHINE/GPU" for a fault of one of its GPUs.
        name: What a person calls it: "host a", or "GPU 1 of host a".
        reason: What is wrong there.
    """

    place: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


@dataclass
class _Faulty:
    """A machine, or a GPU, with `faults` in a row since the time `since`.

    `while_others_save` is the number of those that came after another machine had saved a checkpoint.
    """

    fault: MachineFault
    since: float
    faults: int = 0
    while_others_save: int = 0
    rests_until: float = 0.0
    left_out: bool = False


class MachineFaults:
    """The machines and GPUs that are faulty at present.

    It is kept in memory, for one session of a search: a resumed one tries all machines again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.resting: dict[str, str] = {}  # ids of the workers that hold their share of a faulty machine -> its place
        self._faulty: dict[str, _Faulty] = {}
        self._saved = float("-inf")  # when a machine last saved a checkpoint
        self._saved_at: dict[str, float] = {}  # when each place last did
        self._met: dict[int, tuple[str, float]] = {}  # number of a trial -> where and when it last met a fault

    @property
    def avoided(self) -> list[str]:
        """Return the places that get no trial now: those that rest, and those that are left out."""
        return [place for place in self._faulty if self.is_avoided(place)]

    @property
    def left_out(self) -> list[MachineFault]:
        """Return the faults for which machines or GPUs are left out."""
        return [faulty.fault for faulty in self._faulty.values() if faulty.left_out]

    @property
    def unresolved(self) -> list[str]:
        """Return, in words, which machines and GPUs are left out, and which others have not recovered from a fault."""
        return [_left_out(each.fault) if each.left_out else str(each.fault) for each in self._faulty.values()]

    def is_avoided(self, place: str) -> bool:
        """Return whether a place rests, or is left out."""
        faulty = self._faulty.get(place)
        return faulty is not None and (faulty.left_out or self.clock() < faulty.rests_until)

    def note(self, fault: MachineFault) -> str | None:
        """Count a fault, and have its place rest or leave it out.

        Returns:
            What a person should know that was not said before; None if there is nothing.
        """
        now = self.clock()
        first = fault.place not in self._faulty
        faulty = self._faulty.setdefault(fault.place, _Faulty(fault, since=now))
        faulty.fault = fault
        if now < faulty.rests_until or faulty.left_out:  # another worker of a machine that rests already
            return None
        faulty.faults += 1
        faulty.while_others_save += self._saved > faulty.since
        faulty.rests_until = now + min(REST * 2.0 ** (faulty.faults - 1), LONGEST_REST)
        if faulty.while_others_save == MOST_FAULTS:
            return self.leave_out(fault)
        if first:
            return f"{fault}; its trials go elsewhere or wait"
        return None

    def may_be_of(self, number: int, fault: MachineFault) -> bool:
        """Return whether a fault may be that of the trial `number` itself, such as a state that can't be saved.

        Its last fault was at a place that has saved checkpoints of other trials since.
        """
        place, when = self._met.get(number, (fault.place, float("inf")))
        self._met[number] = (fault.place, self.clock())
        return self._saved_at.get(place, float("-inf")) > when

    def leave_out(self, fault: MachineFault) -> str:
        """Leave a place out for good; return what a person should know of it."""
        faulty = self._faulty.setdefault(fault.place, _Faulty(fault, since=self.clock()))
        faulty.left_out = True
        return _left_out(fault)

    def note_checkpoint(self, number: int, places: list[str]) -> list[str]:
        """Note that a checkpoint of the trial `number` was saved at these places, a machine and its GPU.

        Returns:
            The names of those that have recovered by that.
        """
        self._met.pop(number, None)
        self._saved = self.clock()
        self._saved_at |= dict.fromkeys(places, self._saved)
        recovered = [place for place in places if place in self._faulty and not self._faulty[place].left_out]
        return [self._faulty.pop(place).fault.name for place in recovered]

    def rests(self, worker: str, place: str) -> bool:
        """Return whether a worker is to hold its share of a faulty machine, so that no trial is put there."""
        if self.is_avoided(place):
            self.resting[worker] = place
        else:
            self.resting.pop(worker, None)
        return worker in self.resting

    def forget(self, worker: str) -> None:
        """Forget a worker that has ended."""
        self.resting.pop(worker, None)

    def held(self, *, left_out: bool) -> Counter[str]:
        """Return, by machine, the number of workers that rest at places that are left out, or at others."""
        out = {fault.place for fault in self.left_out}
        return Counter(place.partition("/")[0] for place in self.resting.values() if (place in out) == left_out)

    def is_outage(self, began: Iterable[float | None]) -> bool:
        """Return whether no machine can go on: none has saved a checkpoint for too long since the first fault after it.

        Args:
            began: When each trial that is under way began. One that began before that fault may still go well.
        """
        since = [faulty.since for faulty in self._faulty.values() if not faulty.left_out]
        first = min((time for time in since if time > self._saved), default=None)
        if first is None or self.clock() - first < OUTAGE:
            return False
        return not any(time is not None and time < first for time in began)


def _left_out(fault: MachineFault) -> str:
    return f"{fault.name} is left out: it {fault.reason}"
