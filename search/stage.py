"""Stage: what a search does one after the other with the same means: search, confirm, refit."""

from dataclasses import dataclass
from pathlib import Path

import optuna

from model.train import derive_seed
from search.experiment import Search
from search.space import Space
from search.store import study

SEEDS = {study.SEARCH: 0, study.CONFIRM: 1, study.REFIT: 2}


@dataclass(frozen=True)
class Stage:
    """What one call of the engine works through: a study, its space, and the limits. `kept_states` is how many of the
    best finished trials keep their training state on disk (None: all)."""

    run_dir: Path
    study: optuna.Study
    space: Space
    search: Search
    trials: int
    cpus: int
    trial_timeout: float | None = None
    max_seconds: float | None = None
    max_consecutive_failures: int | None = None
    kept_states: int | None = None

    @property
    def name(self) -> str:
        """search, confirm or refit; in a shared database the study's own name begins with the run's."""
        return self.study.study_name.rpartition("/")[2]

    @property
    def seed(self) -> int:
        """The seed of all its trials; each adds its number."""
        return derive_seed(self.search.seed, SEEDS[self.name])
