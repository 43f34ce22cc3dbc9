"""StudySearcher: hands the next trial of the study to Ray Tune."""

from typing import Any

from ray.tune.search import Searcher

from search.trials import Trials


class StudySearcher(Searcher):
    """Suggest what `trials` hands out. Ends reach the study through StudyScheduler, which alone sees every result."""

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
