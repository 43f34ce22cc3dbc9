"""A space whose ranges were made wider while its search was interrupted: which they are, and what to try in them."""

from collections.abc import Mapping

from optuna.distributions import BaseDistribution

from search.space.messages import Range
from search.space.points import Space, nearest


def widened(old: Space, new: Space) -> list[str]:
    """Return the fields whose range in `new` is wider than in `old` and holds every value of it (of equal priors)."""
    found = []
    for name, before in old.searched.items():
        after = new.searched.get(name)
        if before == after or old.priors.get(name) != new.priors.get(name):
            continue
        if isinstance(before, Range) and isinstance(after, Range) and _holds(after, before):
            found.append(name)
    return found


def new_ends(before: Mapping[str, BaseDistribution], space: Space) -> list[tuple[str, float]]:
    """Return the ends, as (field, value), of those ranges of `space` that are wider than they were `before`."""
    ends = []
    for name in widened(Space({}, dict(before)), Space({}, space.searched)):
        old, new = before[name], space.searched[name]
        assert isinstance(old, Range)
        assert isinstance(new, Range)
        if new.low != old.low:
            ends.append((name, new.low))
        if new.high != old.high:
            ends.append((name, new.high))
    return ends


def _holds(outer: Range, inner: Range) -> bool:
    """Return whether a range holds every value of another one, whose kind it shares."""
    alike = (type(outer), outer.log, outer.step) == (type(inner), inner.log, inner.step)
    wider = outer.low <= inner.low and inner.high <= outer.high
    return alike and wider and nearest(outer, inner.low) == inner.low
