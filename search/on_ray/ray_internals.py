"""Ray's internals: the one file that touches them, for what Ray offers no public way to do.

Read in ray 2.60.0; `tests/search/on_ray/test_ray_internals.py` notices when a new Ray has changed one of them.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.job_config import JobConfig
from ray.util import placement_group, placement_group_table

if TYPE_CHECKING:  # its import takes two seconds, for which a Ray that starts need not wait
    from ray.tune.experiment import Trial

CLEAN_UP = 60  # seconds that a stopped trial has to come to its end
# Words of the GCS (src/ray/gcs/actor/gcs_actor_manager.cc) and of ActorUnavailableError (ray/exceptions.py).
LOST_MACHINE = ("its node has died", "The task may or may not have been executed on the actor")
PACKAGES = Path(__file__).parents[2]
# A program that connects to a cluster and ends; it fails if the cluster does not admit it.
KNOCK = "import sys; from ray._raylet import GcsClient; GcsClient(sys.argv[1])"


def of_the_driver() -> dict[str, Any]:
    """Return what `ray.init` is told of the driver of a private Ray: silence, and where its workers import from.

    By itself Ray puts the driver's working directory first on their path, and a model.py of the user's there would
    take the place of ours. It does not for a client's job (ray/_private/worker.py), which nothing else asks for.
    """
    job = JobConfig(_client_job=True, _py_driver_sys_path=[str(PACKAGES)])
    return {"job_config": job, "logging_level": logging.ERROR, "log_to_driver": False}


def silence_stdout() -> None:
    """Keep Ray's pages of advice on dead workers off the terminal; `Trials.on_death` reports them by trial number.

    ray/_private/worker.py prints that advice even if `log_to_driver` is False.
    """
    from ray._private import worker

    worker.print_to_stdstream = lambda *_arguments, **_named: None


def end_without_signals() -> None:
    """Have `ray.shutdown` kill the processes that `ray.init` has started without a SIGTERM, which they don't hear.

    It would wait for each of them for a second (ray/_private/node.py).
    """
    from ray._private import worker

    node = worker._global_node
    kill_all = node.kill_all_processes
    node.kill_all_processes = lambda **named: kill_all(**{**named, "allow_graceful": False})


def use_started_workers() -> None:
    """Have Tune's trials run in workers that wait already.

    Tune asks for workers with some variables of the driver's (ray/tune/execution/class_cache.py), and Ray starts new
    ones for it. Those of a private Ray have all variables of the driver's anyway.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS.clear()
    class_cache.ENV_VARS_TO_PROPAGATE.clear()


def keep_workers(controller: Any, needs: Any, count: int) -> None:
    """Have Tune keep `count` more idle workers for trials with these `needs`, a PlacementGroupFactory.

    By itself it keeps one, and stops the others as soon as no trial waits for them (`_ObjectCache` in
    ray/tune/utils/object_cache.py): the next stage would begin with new ones.
    """
    controller._actor_cache.increase_max(needs, by=count)


def forget_ended_trials(controller: Any) -> None:
    """Have Tune forget the trials that have ended, which the study holds.

    By itself it keeps each with all its figures, looks through them again and again, and writes them all into
    snapshots.
    """
    ended = {trial for trial in controller._trials if trial.is_finished()}
    controller._trials[:] = [trial for trial in controller._trials if trial not in ended]
    known = [controller._stopped_trials, controller._failed_trials, controller._trials_to_cache]
    for trials in (*known, controller._live_trials, controller._resetting_trials):  # live: those that failed
        trials.difference_update(ended)


def end_idle_workers(controller: Any) -> None:
    """Have Tune end the idle workers that it keeps. It notices a dead one only as it gives it a trial, which fails."""
    controller._cleanup_cached_actors(force_all=True)


def kill_worker(trial: "Trial") -> None:
    """Kill the process that trains `trial`, if there is one. Tune has no public name for it."""
    worker = trial.temporary_state.ray_actor
    if worker:
        ray.kill(worker)


def failure_of(trial: "Trial") -> str:
    """Return the reason that Ray noted for a trial's death: the second line of its error file, after the date."""
    return next(iter(_error_lines(trial)[1:]), "Ray gave no reason").strip()


def died_with_its_machine(trial: "Trial") -> bool:
    """Return whether a trial's worker was lost with its machine, by what Ray noted.

    That its node has died (ActorDiedError) or, before Ray's health check has found that out, that the worker does not
    answer (ActorUnavailableError): of one that died alone Ray learns within its second of patience.
    """
    return any(words in line for line in _error_lines(trial) for words in LOST_MACHINE)


def _error_lines(trial: "Trial") -> list[str]:
    """Return what Ray noted of a trial's death. `Trial.get_error` is still empty when `on_trial_error` is called."""
    try:
        return Path(trial.error_file).read_text(encoding="utf-8").splitlines()
    except (OSError, TypeError):
        return []


def reserve(node: str, gpu_share: float, cpus: int = 0) -> Any:
    """Return a placement group that reserves a share of one GPU, and CPUs, on the node with the id `node`."""
    bundle = {"GPU": round(gpu_share, 4)} | ({"CPU": cpus} if cpus else {})
    return placement_group([bundle], strategy="STRICT_PACK", _soft_target_node_id=node)


def waits_for_room() -> bool:
    """Return whether Ray has not found the CPUs, nor the GPU, of any of this driver's trials.

    Tune asks for them by a placement group each. The id of a placement group ends with that of its job
    (src/ray/common/id.h); the shares of GPUs that we hold empty (`reserve`) have no CPUs.
    """
    job = ray.get_runtime_context().get_job_id()
    groups = [group for key, group in placement_group_table().items() if key.endswith(job)]
    states = {group["state"] for group in groups if any("CPU" in bundle for bundle in group["bundles"].values())}
    return bool(states & {"PENDING", "RESCHEDULING"}) and not states & {"PREPARED", "CREATED"}


def ending_stuck_workers(trainable: Callable[..., None]) -> Callable[..., None]:
    """Return `trainable`, a function for Tune, changed so that a worker ends if its last trial does not.

    Ray by itself would wait for 2 s until the worker is free, then give up the next trial without a word. The end of a
    worker is reported as a death. `__mixins__` lists the classes that Tune wraps around a function trainable
    (ray/tune/trainable/function_trainable.py).
    """
    trainable.__mixins__ = (_Reused,)  # type: ignore[attr-defined]
    return trainable


class _Reused:
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = str(CLEAN_UP)
        if not super().reset_config(new_config):  # type: ignore[misc]
            os._exit(1)
        return True
