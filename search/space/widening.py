"""A space whose ranges were made wider while its search was interrupted: which they are, and what to try in them."""

from typing import Any

from search.space.messages import Range
from search.space.points import Space, fits, nearest


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


def new_ends(old: Space, new: Space, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the point `params` once for each new end of a range of `new` that is wider than in `old`, moved there."""
    points = []
    for name in widened(old, new):
        before, after = old.searched[name], new.searched[name]
        assert isinstance(before, Range)
        assert isinstance(after, Range)
        if after.low != before.low:
            points.append({**params, name: after.low})
        if after.high != before.high:
            points.append({**params, name: after.high})
    return [point for point in points if fits(new, point)]


def _holds(outer: Range, inner: Range) -> bool:
    """Return whether a range holds every value of another one, whose kind it shares."""
    alike = (type(outer), outer.log, outer.step) == (type(inner), inner.log, inner.step)
    wider = outer.low <= inner.low and inner.high <= outer.high
    return alike and wider and nearest(outer, inner.low) == inner.low
