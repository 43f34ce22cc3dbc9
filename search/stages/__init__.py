"""The stages of a run, top to bottom: prepare, search, confirm the best on fresh seeds, refit the winner, export it."""

from search.stages.announcing import announce, warn_of_learning_rates
from search.stages.confirming import confirm, train_picked
from search.stages.exporting import export, is_settled
from search.stages.preparing import check_pick, prepare, retry_failed_trials
from search.stages.running import Engine, Run, StoppedError
from search.stages.searching import search

__all__ = [
    "Engine",
    "Run",
    "StoppedError",
    "announce",
    "check_pick",
    "confirm",
    "export",
    "is_settled",
    "prepare",
    "retry_failed_trials",
    "search",
    "train_picked",
    "warn_of_learning_rates",
]
