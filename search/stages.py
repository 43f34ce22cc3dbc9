"""The stages of a run, top to bottom: search, confirm the best on fresh seeds, refit the winner, export it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from model.data import Dataset
from model.errors import ConfigError
from model.seeds import derive_seed
from search.decisions import race_on, unqueued
from search.experiment import Experiment
from search.progress import Progress
from search.space import complete, guesses
from search.store import checkpoints
from search.store.candidates import attributes_of, candidates_of, next_round
from search.store.export import export_checkpoint, exported_source
from search.store.records import read_trials
from search.store.stage import Stage
from search.store.storage import RunStorage
from search.store.study import CONFIRM, PICKED, REFIT, SEARCH, StoredStudy, open_study
from search.strategy.promotion import Promotion
from search.strategy.pruner import PACE, make_pruner
from search.strategy.sampler import SeededSampler, startup_of
from search.trials import INTERRUPTED, Trials
from search.winner import Winner, chosen, failures, refusal

SEEDS = {SEARCH: 0, CONFIRM: 1, REFIT: 2, PICKED: 1}  # a picked trial has the fresh seeds of the others
HELD_BACK = "held_back"  # attribute of a refit: on how many images, new to it, it is checked; earlier versions had none
OVERTAKEN = "another trial won meanwhile"
OUTDATED = "it began on all images, before some were held back"


class StoppedError(Exception):
    """Raised by a stage that ended before its time; the text says why. What is unfinished waits to be resumed."""


class Engine(Protocol):
    """What runs trials: Ray Tune (on_ray/engine.py); tests without Ray have a plain loop."""

    @property
    def machines(self) -> int: ...
    @property
    def cpus(self) -> int: ...
    @property
    def gpus(self) -> int: ...
    @property
    def per_gpu(self) -> int: ...
    @property
    def most_cpus(self) -> int: ...  # of the largest machine
    @property
    def gone(self) -> threading.Event: ...

    def concurrent(self, trials: int, cpus_per_trial: int) -> int:
        """Return how many of so many trials run at once. Raises ConfigError where none fits on any machine."""

    def run(self, trials: Trials, dataset: Dataset, token: str) -> None:
        """Run `trials` until they are finished or stopping. `token` names the images that workers keep."""


@dataclass(frozen=True)
class Run:
    """What all stages of one command share."""

    run_dir: Path
    experiment: Experiment
    dataset: Dataset
    digest: str  # SHA-256 of the images
    storage: RunStorage
    progress: Progress

    def study(self, name: str) -> StoredStudy:
        """Return one of the run's studies, by its name in STUDIES."""
        if name != SEARCH:
            return open_study(self.storage, name)
        search = self.experiment.search
        space, startup = self.experiment.space, startup_of(search.trials)
        sampler = SeededSampler(search.sampler, search.seed, space.searched, startup, PACE, guesses(space), space=space)
        pruner = make_pruner(search.pruner, search.grace_epochs, search.reduction_factor)
        return open_study(self.storage, SEARCH, sampler, pruner)

    @property
    def promotion(self) -> Promotion | None:
        """Return how the trials of the search are promoted; None where the pruner is another one."""
        search, finalists = self.experiment.search, max(self.experiment.confirm.top, 1)
        if search.pruner != "promote":
            return None
        return Promotion(search.grace_epochs, search.reduction_factor, finalists, PACE)

    def stage(self, name: str, **limits: Any) -> Stage:
        resources = self.experiment.resources
        default = {"trial_timeout": resources.trial_timeout, "cpus": resources.cpus_per_trial}
        default["max_consecutive_failures"] = resources.max_consecutive_failures
        seed = derive_seed(self.experiment.search.seed, SEEDS[name])
        return Stage(self.run_dir, self.study(name), self.experiment.space, seed, **{**default, **limits})


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
    """Run the trials that are still to do. Raises StoppedError."""
    stage = search_stage(run)
    if not stage.audit().to_do:
        return
    trials = _run_stage(run, engine, stage, run.dataset, run.digest)
    trials.settle()
    if trials.out_of_time:
        minutes = run.experiment.resources.max_minutes
        run.progress.result(f"time is up: resources.max_minutes = {minutes:g}; raise it to go on")
    elif stage.stop and stage.planned < stage.trials:
        run.progress.result(stage.stop.saved(stage.study.trials()))


def confirm(run: Run, engine: Engine) -> None:
    """Train the best trials of the search again on fresh seeds, beside the recipe, and tell of runs that failed.

    Raises StoppedError.
    """
    stage, plan = run.stage(CONFIRM, most_seeds=_most_seeds(run)), run.experiment.confirm
    with stage.study.event():
        for params, attributes in _unqueued(run):
            stage.study.enqueue(params, **attributes)
    if not stage.study.audit().to_do:
        race_on(stage)
    if to_do := stage.study.audit().to_do:
        beside = "" if plan.recipe is None else " beside the article's recipe"
        up_to = f", and up to {_most_seeds(run)} seeds for those that lead" if _most_seeds(run) > plan.seeds else ""
        run.progress.say(f"confirmation: the best trials again on fresh seeds{beside}, {to_do} runs{up_to}")
        _run_stage(run, engine, stage, run.dataset, run.digest)
    for sentence in failures(read_trials(run.run_dir, SEARCH), read_trials(run.run_dir, CONFIRM)):
        run.progress.warn(sentence)


def train_picked(run: Run, engine: Engine, number: int) -> None:
    """Train a trial that a person picked on the fresh seeds, unless the confirmation did. Raises StoppedError."""
    if chosen(run.run_dir, number):
        return
    stage, trial = run.stage(PICKED), run.study(SEARCH).trial(number)
    known = {(repeat.user_attrs["candidate"], repeat.user_attrs["run"]) for repeat in stage.study.trials()}
    with stage.study.event():
        for seed in range(1, run.experiment.confirm.seeds + 1):
            if (number, seed) not in known:
                stage.study.enqueue(trial.params, **attributes_of(number, seed))
    if to_do := stage.study.audit().to_do:
        run.progress.say(f"trial {number}, which was picked, again on fresh seeds, {to_do} runs")
        _run_stage(run, engine, stage, run.dataset, run.digest)


def export(run: Run, engine: Engine, pick: int | None = None) -> None:
    """Export the winner, if there is one, or the trial `pick`, scored on the test images. Raises StoppedError.

    An export of the same run is left as it is: the test images are not scored again for it, unless it is damaged.
    Raises ConfigError where no run of the trial `pick` on a fresh seed is complete and has its checkpoint.
    """
    winner = chosen(run.run_dir, pick)
    if winner is None and pick is not None:
        raise ConfigError(f"--pick {pick}: no run of it on a fresh seed is complete; pick another trial")
    source, fault = exported_source(run.run_dir)
    if winner is None or source == _source(winner, _wants_refit(run, winner)):
        return
    if fault:
        run.progress.warn(f"{fault}; the export is written again from the winner's checkpoint")
    if _wants_refit(run, winner) and _refit_of(run, winner) is None:
        _refit(run, engine, winner)
    if reason := _no_refit(run, winner):
        run.progress.warn(reason)
    _write_export(run, winner)
    for name in (CONFIRM, PICKED, REFIT):
        checkpoints.keep_best_of_each(run.run_dir, run.study(name))


def is_settled(run: Run, pick: int | None = None) -> bool:
    """Return whether nothing is left to confirm or export for the trials that are done; a damaged export is."""
    study = run.study(CONFIRM)
    if _unqueued(run) or study.audit().to_do:
        return False
    if next_round(candidates_of(read_trials(run.run_dir, CONFIRM)), _most_seeds(run)):
        return False
    winner = chosen(run.run_dir, pick)
    if winner is None:
        return pick is None
    return exported_source(run.run_dir)[0] == _source(winner, _wants_refit(run, winner))


def _run_stage(run: Run, engine: Engine, stage: Stage, dataset: Dataset, token: str) -> Trials:
    """Run `stage` until it is done or its time is up. Raises StoppedError; what is unfinished then waits."""
    trials = Trials(stage, run.progress, engine.gone)
    found = stage.audit()
    run.progress.begin(total=found.kept + found.to_do, done=found.kept)
    try:
        with _interruptible(trials), trials.tidily():
            engine.run(trials, dataset, token)
    except Exception:
        if trials.failure is None and trials.stopped in (None, INTERRUPTED):
            raise  # else it is what the engine trips over on its way out, when a disk is full
    finally:
        run.progress.end()
        with trials.tidily():  # if this can't be written, the resumption does it
            stage.study.requeue_interrupted()
    if trials.failure is not None:
        raise trials.failure
    if engine.gone.is_set():
        raise StoppedError("Ray is gone")
    if trials.stopped:
        raise StoppedError(trials.stopped)
    return trials


@contextmanager
def _interruptible(trials: Trials) -> Iterator[None]:
    """Let Ctrl-C (or SIGTERM) end the stage tidily, and a second one at once. In the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    asked = threading.Event()

    def on_signal(_number: int, _frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        trials.stop(INTERRUPTED)
        trials.progress.warn("stopping: no new trials; unfinished ones keep their last checkpoint")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _most_seeds(run: Run) -> int:
    return run.experiment.confirm.most_seeds or run.experiment.confirm.seeds


def _unqueued(run: Run) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return parameters and attributes of the runs that the confirmation should begin with and that are not queued."""
    plan = run.experiment.confirm
    best = run.study(SEARCH).best(plan.top)
    return unqueued(run.study(CONFIRM).trials(), best, plan.seeds, run.experiment.recipe_differences)


def _refit(run: Run, engine: Engine, winner: Winner) -> None:
    """Train the winner once more, on the validation images too but for some that are held back.

    Raises StoppedError; a refit that fails is no error. Its accuracy is over the few images that were held back, so it
    is not compared with that of other trials.
    """
    # One run has the machine to itself: on CPUs it takes all of the largest machine, and has no time limit. Its failure
    # has an answer, the confirmed run.
    cpus = run.experiment.resources.cpus_per_trial if engine.gpus else engine.most_cpus
    stage = run.stage(REFIT, cpus=cpus, trial_timeout=None, max_consecutive_failures=None)
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
    _run_stage(run, engine, stage, data, f"{run.digest} refit")


def _wants_refit(run: Run, winner: Winner) -> bool:
    """Return whether to export a refit of the winner: asked for, and neither failed nor refused before."""
    return run.experiment.export.refit and _no_refit(run, winner) is None


def _no_refit(run: Run, winner: Winner) -> str | None:
    """Return why the winner's refit, which has ended, is not exported; None where it is, or has not ended.

    The answer is a function of what the studies hold, so it stays the same after a kill.
    """
    refitted = _refit_of(run, winner)
    if refitted is None:
        return None
    # A refit of an earlier version was trained on all validation images, and its accuracy is over these.
    images = refitted.user_attrs.get(HELD_BACK, len(run.dataset.val))
    reason = refusal(winner, refitted.value or 0.0, images)
    if refitted.state == TrialState.FAIL:
        reason = f"the refit failed ({refitted.user_attrs['error']})"
    return f"{reason}: {winner.exported} is exported instead" if reason else None


def _refit_of(run: Run, winner: Winner) -> FrozenTrial | None:
    """Return the winner's refit that has ended, well or not."""
    for trial in run.study(REFIT).trials(TrialState.COMPLETE, TrialState.FAIL):
        given_up = trial.user_attrs.get("error") in (OVERTAKEN, OUTDATED)
        if trial.user_attrs["candidate"] == winner.candidate and not given_up:
            return trial
    return None


def _source(winner: Winner, refit: bool) -> dict[str, Any]:
    """Return what identifies an export: the run that it came from."""
    source = {"candidate": winner.candidate, "study": winner.study, "run": winner.run.number, "refit": refit}
    return {**source, "picked": True} if winner.picked else source


def _write_export(run: Run, winner: Winner) -> None:
    refitted, data = None, run.dataset
    if _wants_refit(run, winner):
        refitted = _refit_of(run, winner)
    if refitted:
        data = run.dataset.for_refit(hold_back=HELD_BACK in refitted.user_attrs)
    # Without a refit the export is calibrated on all validation images. Its weights have not seen them, but it was
    # chosen by its accuracy on them, which leaves a little optimism.
    export_checkpoint(
        run.run_dir,
        data,
        complete(run.experiment.space, winner.run.params),
        refitted.user_attrs if refitted else winner.run.attributes,
        metrics={
            "val_accuracy": winner.mean,  # not the exported run's own, which is the luckiest
            "val_accuracy_of": winner.mean_of + ", before the refit" * (refitted is not None),
            "confirmation": [] if winner.study == SEARCH else list(winner.accuracies),
        },
        provenance={"source": _source(winner, refit=refitted is not None), "no_refit": _no_refit(run, winner)},
    )
