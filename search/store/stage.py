"""Stage: one study for the engine to work through, with its limits: the search, its confirmation or the refit."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial

from model.hyperparameters import Hyperparameters
from model.precision import Precision
from search.space import Space, complete
from search.store.checkpoint_store import CheckpointStore
from search.store.study import OF_RECIPE, Audit, StoredStudy
from search.strategy.promotion import Promotion
from search.strategy.stop import Stopping


@dataclass(frozen=True)
class Stage:
    """A study for the engine to work through, with its space, the seed of its trials and its limits.

    Each trial is given `cpus` CPUs and computes in as many threads, or in `threads`, and in `precision`. With `refit`
    it trains on the images of a refit. `trials` is the number of trials to suggest; with 0 only those already in the
    study are run. `kept_checkpoints` is how many of the best complete trials keep their checkpoint on disk (None: all).
    `stop` may end the suggesting before `trials`. Times are in seconds.
    """

    checkpoints: CheckpointStore
    study: StoredStudy
    space: Space
    seed: int
    trials: int = 0
    cpus: int = 1
    threads: int | None = None
    refit: bool = False
    precision: Precision = "float32"
    trial_timeout: float | None = None
    max_seconds: float | None = None
    max_consecutive_failures: int | None = None
    kept_checkpoints: int | None = None
    promotion: Promotion | None = None
    most_seeds: int = 0
    stop: Stopping | None = None
    max_milliseconds_per_image: float | None = None

    @property
    def planned(self) -> int:
        """Return how many trials the study is to have: `trials`, or those that it has once `stop` says they do."""
        trials = self.study.trials()
        enough = self.stop is not None and self.stop.has_enough(trials)
        return len(trials) if enough else max(self.trials, len(trials))

    def audit(self) -> Audit:
        """Return the numbers of trials that are kept, paused, continued, restarted and still to do."""
        return self.study.audit(self.planned)

    def hyperparameters(self, trial: FrozenTrial) -> Hyperparameters:
        """Return all hyperparameters of a trial; the recipe of the article need not lie in the space."""
        if (differences := trial.user_attrs.get(OF_RECIPE)) is not None:
            return Hyperparameters(**differences)
        return complete(self.space, trial.params)

    def pauses(self, epochs: int) -> list[int]:
        """Return the epochs after which a trial of `epochs` epochs waits for its promotion, with a checkpoint."""
        return self.promotion.rungs(epochs) if self.promotion else []
