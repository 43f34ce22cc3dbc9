"""The trials in the hands of workers, and every event of theirs. No Ray in here."""

from search.trials.events import INTERRUPTED, Trials
from search.trials.machine_faults import MachineFaults

__all__ = ["INTERRUPTED", "MachineFaults", "Trials"]
