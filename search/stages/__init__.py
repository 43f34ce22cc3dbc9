"""The stages of a run, top to bottom: search, confirm the best on fresh seeds, refit the winner, export it."""

from search.stages.confirming import confirm, train_picked
from search.stages.exporting import export, is_settled
from search.stages.refitting import GIVEN_UP
from search.stages.running import Engine, Run, StoppedError
from search.stages.searching import search, search_stage

__all__ = [
    "GIVEN_UP",
    "Engine",
    "Run",
    "StoppedError",
    "confirm",
    "export",
    "is_settled",
    "search",
    "search_stage",
    "train_picked",
]
