"""Asynchronous successive halving as a pure function of stored values (ASHA: Li et al. 2020, arXiv:1810.05934)."""

from collections.abc import Sequence


def rungs(epochs: int, grace_epochs: int, reduction_factor: int) -> list[int]:
    """The epochs at which a trial may be stopped: grace, grace * factor, ..., all before its last epoch."""
    found = []
    rung = grace_epochs
    while rung < epochs:
        found.append(rung)
        rung *= reduction_factor
    return found


def survives(value: float, at_rung: Sequence[float], reduction_factor: int) -> bool:
    """Whether `value` is among the best 1/factor of the values that reached its rung (itself included), ties in.

    The same values always give the same answer, so a resumed search prunes by what happened before.
    """
    kept = max(len(at_rung) // reduction_factor, 1)
    return value >= sorted(at_rung, reverse=True)[kept - 1]
