"""The trials in the hands of workers, and every event of theirs. No Ray in here."""

from search.trials.events import INTERRUPTED, Trials

__all__ = ["INTERRUPTED", "Trials"]
