"""The third stage: the winner once more on nearly all training images, checked on those that are held back."""

from optuna.trial import FrozenTrial, TrialState

from search.stages.running import Engine, Run, run_stage
from search.store.failures import GIVEN_UP, OUTDATED, OVERTAKEN
from search.store.study import REFIT
from search.winner import Winner, refusal

HELD_BACK = "held_back"  # attribute of a refit: on how many images, new to it, it is checked; earlier versions had none


def refit(run: Run, engine: Engine, winner: Winner) -> None:
    """Train the winner once more, on the validation images too but for some that are held back.

    Raises StoppedError; a refit that fails is no error. Its accuracy is over the few images that were held back, so it
    is not compared with that of other trials.
    """
    # One run has the machine to itself: on CPUs it takes all of the largest machine, and has no time limit. Its failure
    # has an answer, the confirmed run.
    limits = {} if engine.gpus else {"threads": engine.most_cpus}
    if limits and engine.machines > 1:  # where there is one it may be any worker, and none need be started
        limits["cpus"] = engine.most_cpus
    stage = run.stage(REFIT, refit=True, trial_timeout=None, max_consecutive_failures=None, **limits)
    for trial in stage.study.trials(TrialState.WAITING):
        if trial.user_attrs["candidate"] != winner.candidate:
            stage.study.finish(trial.number, TrialState.FAIL, OVERTAKEN)
        elif HELD_BACK not in trial.user_attrs:  # what it has seen already could not be held back any more
            stage.study.finish(trial.number, TrialState.FAIL, OUTDATED)
    data = run.dataset.for_refit()
    if not stage.study.audit().to_do:
        held_back = {HELD_BACK: len(data.val)}
        stage.study.enqueue(winner.run.params, candidate=winner.candidate, refit=True, **held_back)
    images = f"{len(data.train):,} images, {len(data.val):,} held back to check and calibrate it"
    run.progress.say(f"refit: trial {winner.candidate} again on {images}")
    run_stage(run, engine, stage)


def wants_refit(run: Run, winner: Winner) -> bool:
    """Return whether to export a refit of the winner: asked for, and neither failed nor refused before."""
    return run.experiment.export.refit and no_refit(run, winner) is None


def no_refit(run: Run, winner: Winner) -> str | None:
    """Return why the winner's refit, which has ended, is not exported; None where it is, or has not ended.

    The answer is a function of what the studies hold, so it stays the same after a kill.
    """
    refitted = refit_of(run, winner)
    if refitted is None:
        return None
    # A refit of an earlier version was trained on all validation images, and its accuracy is over these.
    images = refitted.user_attrs.get(HELD_BACK, len(run.dataset.val))
    reason = refusal(winner, refitted.value or 0.0, images)
    if refitted.state == TrialState.FAIL:
        reason = f"the refit failed ({refitted.user_attrs['error']})"
    return f"{reason}: {winner.exported} is exported instead" if reason else None


def refit_of(run: Run, winner: Winner) -> FrozenTrial | None:
    """Return the winner's refit that has ended, well or not."""
    for trial in run.study(REFIT).trials(TrialState.COMPLETE, TrialState.FAIL):
        given_up = trial.user_attrs.get("error") in GIVEN_UP
        if trial.user_attrs["candidate"] == winner.candidate and not given_up:
            return trial
    return None
