"""A range that is half as long again at the end where the best lie, as the configuration has it."""

import math
from typing import Any

from analysis.numbers.summary import Edge
from model.hyperparameters import Hyperparameters


def wider(edge: Edge, prior: float | None) -> str | None:
    """Return the line of the configuration; None where nothing beyond that end is allowed.

    Where the hyperparameter has a limit that it must not reach (`gt`, `lt`), such as 1 for a dropout, the range goes at
    most half the way there.
    """
    of = edge.distribution
    low, high, step, log = of.low, of.high, of.step, of.log  # type: ignore[attr-defined]
    up = edge.side == "high"
    end = _beyond(edge.end, low, high, step, log, up)
    end = _allowed(edge.name, edge.end, end, step, up)
    end = int(end) if isinstance(low, int) else _rounded(end, high - low, step)
    if (end <= edge.end) if up else (end >= edge.end):
        return None
    parts: dict[str, Any] = {"low": low if up else end, "high": end if up else high}
    parts |= {"log": "true"} if log else {"step": step} if step not in (None, 1) else {}
    parts |= {"prior": prior} if prior is not None else {}
    return f"{edge.name} = {{ {', '.join(f'{key} = {value}' for key, value in parts.items())} }}"


def _beyond(end: float, low: float, high: float, step: float | None, log: bool, up: bool) -> float:
    sign = 1 if up else -1
    if log:
        return end * math.sqrt(high / low) ** sign
    if step:
        return end + sign * step * math.ceil((high - low) / step / 2)
    return end + sign * (high - low) / 2


def _allowed(name: str, end: float, beyond: float, step: float | None, up: bool) -> float:
    """Return `beyond` or, where that is not allowed, the last value on the way there that is, in whole steps."""
    for rule in Hyperparameters.model_fields[name].metadata:
        inclusive, exclusive = (getattr(rule, key, None) for key in (("le", "lt") if up else ("ge", "gt")))
        if inclusive is not None:
            beyond = min(beyond, inclusive) if up else max(beyond, inclusive)
        elif exclusive is not None and (beyond >= exclusive if up else beyond <= exclusive):
            beyond = (end + exclusive) / 2
    if step:
        return end + math.trunc(round((beyond - end) / step, 9)) * step
    return beyond


def _rounded(value: float, span: float, step: float | None) -> float:
    """Return `value` with as few digits as tell it from the other end of a range of this span."""
    if step:
        return round(value, 12)
    return round(value, max(1 - math.floor(math.log10(min(span, abs(value) or span))), 0))
