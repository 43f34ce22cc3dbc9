"""The first stage: the trials of the search."""

from search.decisions import anything_to_hand_out
from search.stages.running import Engine, Run, run_stage
from search.store.stage import Stage
from search.store.study import SEARCH


def search_stage(run: Run) -> Stage:
    """Return the stage that searches, with all its limits."""
    limit = run.experiment.resources.max_minutes
    return run.stage(
        SEARCH,
        trials=run.experiment.search.trials,
        max_seconds=limit and limit * 60,
        kept_checkpoints=1,
        promotion=run.promotion,
        stop=run.experiment.stopping(len(run.dataset.val)),
        max_milliseconds_per_image=run.experiment.constraints.max_milliseconds_per_image,
    )


def search(run: Run, engine: Engine) -> None:
    """Run the trials that are still to do. Raises StoppedError.

    When time is up, paused trials go on waiting: nobody knows yet that others do better.
    """
    stage = search_stage(run)
    if not stage.audit().to_do:
        return
    trials = run_stage(run, engine, stage)
    if trials.out_of_time and anything_to_hand_out(stage):
        minutes = run.experiment.resources.max_minutes
        run.progress.result(f"time is up: resources.max_minutes = {minutes:g}; raise it to go on")
        return
    trials.settle()
    if stage.stop and stage.planned < stage.trials:
        run.progress.result(stage.stop.reason(stage.study.trials()))
