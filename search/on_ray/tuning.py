"""Tuning: a Tuner in a thread of its own, which runs the trials of one stage after another in the same workers."""

import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

from ray import tune

from search.on_ray import ray_internals
from search.on_ray.callback import NoProgress, StudyCallback
from search.on_ray.probe import Probes
from search.on_ray.scheduler import StudyScheduler, StudyStopper
from search.on_ray.searcher import StudySearcher
from search.on_ray.slots import Node, Slots, hold_spare
from search.on_ray.trial import run_trial
from search.on_ray.watchdog import lifelines
from search.on_ray.work import Work
from search.store import object_store
from search.store.checkpoint_store import CheckpointStore
from search.store.outage import outlasting
from search.trials import Trials


class Tuning:
    """A Tuner at work on one stage after another, all with the same share of a machine for each trial.

    Tune ends its workers when it ends, and new ones import for five seconds before they train.
    """

    def __init__(
        self, store: CheckpointStore, images: dict[str, Any], slots: Slots, nodes: list[Node], probes: Probes | None
    ) -> None:
        self.slots = slots
        self._work, self._probes = Work(slots, nodes), probes
        self._ended: Future[None] = Future()
        self._left = False
        # A daemon, so that a second Ctrl-C need not wait for it.
        self._thread = threading.Thread(target=self._tune, args=(store, images), daemon=True)
        self._thread.start()

    def serves(self, slots: Slots) -> bool:
        """Return whether a stage with these slots can have the workers of the stage before."""
        return not self._ended.done() and slots.share == self.slots.share

    def run(self, trials: Trials, slots: Slots, nodes: list[Node]) -> None:
        """Run `trials` until they are finished or stopping. Raises what Tune, or a decision on a trial, raised."""
        try:
            self._work.hand_over(trials, slots, nodes)
        except BaseException:  # a second Ctrl-C
            self._left = True
            self._work.leave()
            raise
        if self._ended.done():
            self._ended.result()

    def end(self) -> None:
        """End the Tuner and its workers, unless it was left amid a stage: then Ray's end is theirs."""
        if not self._left:
            self._work.close()
            self._thread.join()

    def _tune(self, store: CheckpointStore, images: dict[str, Any]) -> None:
        try:
            with hold_spare(self._work.slots, self._work.nodes) as free_spare:
                tuner = _tuner(self._work, store, images, StudyCallback(self._work, self._probes, free_spare))
                with object_store.asking(store.base):  # Tune looks into its storage too as it begins
                    tuner.fit()
            self._ended.set_result(None)
        except BaseException as error:  # told in the driver's thread
            self._ended.set_exception(error)
        finally:
            self._work.close()


def _tuner(work: Work, store: CheckpointStore, images: dict[str, Any], callback: StudyCallback) -> tune.Tuner:
    run = tune.with_parameters(ray_internals.ending_stuck_workers(run_trial), data=images)
    trainable = tune.with_resources(run, partial(_resources, work.slots.cpus, work.slots.gpu_fraction))
    system, path = object_store.file_system(store.base)
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(work),
            scheduler=StudyScheduler(work, lifelines()),
            num_samples=-1,
            reuse_actors=True,
            # The id makes the name unique: another attempt must never overwrite a checkpoint.
            trial_dirname_creator=lambda trial: f"{trial.config['number']:05d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=_session_name(work, store),
            storage_path=path,
            storage_filesystem=system,
            stop=StudyStopper(work),
            callbacks=[callback, NoProgress()],
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )


def _resources(cpus: int, gpu_fraction: float, config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """Return what a trial needs of a machine, which is none of those that are left out."""
    needs = {"CPU": cpus, "GPU": gpu_fraction} if gpu_fraction else {"CPU": cpus}
    if not config["left_out"]:
        return tune.PlacementGroupFactory([needs])
    others = {"ray.io/node-id": f"!in({','.join(config['left_out'])})"}
    return tune.PlacementGroupFactory([needs], bundle_label_selector=[others])


def _session_name(work: Work, store: CheckpointStore) -> str:
    """Return a name that no earlier session has; Ray numbers checkpoints from 0, and would overwrite earlier ones."""
    trials = work.wait_for_stage()
    assert trials
    earlier = outlasting(lambda: object_store.names_at(store.base), lambda: trials.stopping, trials.progress.warn)
    return f"{len(earlier):04d}"
