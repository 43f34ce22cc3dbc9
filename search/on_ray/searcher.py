"""StudySearcher: gives Ray Tune the next trial of the study."""

from typing import Any

from ray.tune.search import Searcher

from search.trials import Trials


class StudySearcher(Searcher):
    """Suggests the next trial of `trials`. Only StudyScheduler sees every result, so it alone reports the ends."""

    def __init__(self, trials: Trials) -> None:
        super().__init__()
        self.trials = trials

    def suggest(self, trial_id: str) -> Any:
        return self.trials.next_config(trial_id) or (Searcher.FINISHED if self.trials.finished else None)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass  # Ray's snapshots are never read back: the study is the truth

    def restore(self, checkpoint_path: str) -> None:
        pass
