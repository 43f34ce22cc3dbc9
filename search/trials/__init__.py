"""The trials that workers train, and every event of a trial. No Ray in here.

Its names are imported when they are asked for: a machine whose torch fails must be able to say so.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.trials.events import INTERRUPTED, Trials
    from search.trials.machine_faults import MachineFaults

__all__ = ["INTERRUPTED", "MachineFaults", "Trials"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "machine_faults" if name == "MachineFaults" else "events"
    return getattr(import_module(f"search.trials.{module}"), name)
