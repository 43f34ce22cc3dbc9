"""StudySearcher: gives Ray Tune the next trial of the study."""

from typing import Any

from ray.tune.search import Searcher

from search.on_ray.work import Work


class StudySearcher(Searcher):
    """Suggests the next trial of the stage in hand. Only StudyScheduler sees every result, so it alone reports ends."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's configuration, None if there is none at present, FINISHED once all stages are done.

        Between two stages it waits: nothing runs then that Tune would have to attend to.
        """
        while trials := self.work.wait_for_stage():
            if len(trials.live) >= self.work.free_slots(trials):
                return None
            if config := trials.next_config(trial_id):
                return config
            if trials.stopping:
                break
            if not trials.finished:
                return None
            self.work.finish_stage()
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass  # Ray's snapshots are never read back: the study is the truth

    def restore(self, checkpoint_path: str) -> None:
        pass
