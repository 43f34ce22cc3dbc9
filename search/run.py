"""A whole search: check the folder, get the data, search, confirm, export."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from model.card import replace_by_newer
from model.catalogue import FALLBACK, FALLBACK_NOTE
from model.data import Dataset, data_root, load_dataset
from model.errors import ConfigError
from model.files import write_atomically
from search import confirm, sampling
from search.experiment import Experiment
from search.on_ray.address import check_address
from search.on_ray.cluster import connected
from search.on_ray.slots import cluster_nodes, measured_per_gpu, plan
from search.on_ray.tuner import Engine, StoppedError, run_stage, worker_data
from search.progress import Progress
from search.space import largest, recipe_differences
from search.stage import Stage
from search.store import study
from search.store.database import open_shared
from search.store.folder import check_data, check_folder, check_owner
from search.store.lock import run_lock
from search.store.provenance import data_digest, environment
from search.store.resolved import load_resolved, resolved


@dataclass(frozen=True)
class Outcome:
    """How a search ended. `stopped`: why, if before its time; `export`: the folder of the winner, if there is one."""

    run_dir: Path
    stopped: str | None
    export: Path | None


@dataclass(frozen=True)
class _Run:
    """All that the stages of one command share."""

    run_dir: Path
    experiment: Experiment
    dataset: Dataset
    digest: str
    progress: Progress
    address: str | None
    on_gone: Callable[[str], None] | None


def run_search(
    experiment: Experiment,
    run_dir: Path,
    progress: Progress,
    *,
    resume: bool = False,
    address: str | None = None,
    data: Path | None = None,
    on_gone: Callable[[str], None] | None = None,
) -> Outcome:
    """Search, confirm and export into `run_dir`. Raises ConfigError or DataError for what a user can correct.

    Should Ray itself go, this process ends (exit code 1), after `on_gone` was called with what is missing.
    """
    with _opened(experiment, run_dir, progress, resume=resume, address=address, data=data, on_gone=on_gone) as run:
        return _finish(run, searching=True)


def run_confirm(
    run_dir: Path,
    progress: Progress,
    *,
    address: str | None = None,
    data: Path | None = None,
    on_gone: Callable[[str], None] | None = None,
) -> Outcome:
    """Confirm and export what `run_dir` holds, whether its search is finished or not; the rest as `run_search`."""
    study.check_run(run_dir)
    experiment = load_resolved(run_dir)
    with _opened(experiment, run_dir, progress, resume=True, address=address, data=data, on_gone=on_gone) as run:
        return _finish(run, searching=False)


@contextmanager
def _opened(
    experiment: Experiment,
    run_dir: Path,
    progress: Progress,
    *,
    resume: bool,
    address: str | None,
    data: Path | None,
    on_gone: Callable[[str], None] | None,
) -> Iterator[_Run]:
    check_address(address)
    check_folder(experiment, run_dir, resume=resume)
    if experiment.search.storage:
        open_shared(experiment.search.storage, "").engine.dispose()  # before anything is written that names it
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{run_dir}: can't be made ({error.strerror}); choose another --out or --name") from None
    check_owner(run_dir, progress)
    with run_lock(run_dir):
        if not check_folder(experiment, run_dir, resume=resume):  # again: another driver may have begun meanwhile
            study.discard(run_dir)
        replace_by_newer(run_dir / "export")
        dataset = load_dataset(
            experiment.data.dataset,
            data_root(data),
            validation_images=experiment.data.validation_images,
            train_images=experiment.data.train_images,
            seed=experiment.search.seed,
            fallback=experiment.data.fallback is not None,
        )
        digest = data_digest(dataset)
        check_data(run_dir, dataset, digest)
        run = _Run(run_dir, experiment, dataset, digest, progress, address, on_gone)
        write_atomically(run_dir / "environment.json", json.dumps(environment(experiment), indent=2).encode())
        if not (run_dir / "experiment.toml").exists():
            write_atomically(run_dir / "experiment.toml", resolved(experiment, _about(run)).encode())
        with study.sole_driver(run_dir):
            yield run


def _finish(run: _Run, *, searching: bool) -> Outcome:
    """Search (if `searching`), confirm, export. Nothing of Ray starts when all is done already."""
    storage = study.open_storage(run.run_dir)
    for name in (study.SEARCH, study.CONFIRM, study.REFIT):
        study.requeue_interrupted(study.open_study(storage, name))  # what a killed driver left running
    of_search = study.open_study(storage, study.SEARCH)
    if searching:
        sampling.enqueue(of_search, run.experiment.first_points)
    found = study.audit(of_search, run.experiment.search.trials)
    to_do = found.to_do if searching else 0
    if not to_do and confirm.is_settled(run.run_dir, run.experiment, storage):
        more = "raise search.trials (or --trials) to search on" if not found.to_do else f"{found.to_do} are still to do"
        run.progress.result(f"all is confirmed and exported of {found.kept} finished trials; {more}")
        return Outcome(run.run_dir, None, confirm.exported(run.run_dir))
    with connected(run.address, run.on_gone) as gone:
        engine = _engine(run, to_do, gone)
        _announce(run, found, engine)
        try:
            if to_do:
                _search(run, of_search, engine)
            if run.experiment.confirm.top:
                confirm.confirm(engine, run.experiment, storage)
            confirm.export_winner(engine, run.experiment, storage, run.dataset)
        except StoppedError as stopped:
            return Outcome(run.run_dir, str(stopped), None)
    return Outcome(run.run_dir, None, confirm.exported(run.run_dir))


def _search(run: _Run, of_search: optuna.Study, engine: Engine) -> None:
    """Run the trials that are still to do. Raises StoppedError."""
    limits = run.experiment.resources
    stage = Stage(
        run.run_dir,
        of_search,
        run.experiment.space,
        run.experiment.search,
        trials=run.experiment.search.trials,
        cpus=limits.cpus_per_trial,
        trial_timeout=limits.trial_timeout,
        max_seconds=limits.max_minutes and limits.max_minutes * 60,
        max_consecutive_failures=limits.max_consecutive_failures,
        kept_states=1,
    )
    ended = run_stage(engine, stage)
    if ended.out_of_time:
        run.progress.result(f"time is up: resources.max_minutes = {limits.max_minutes:g}; raise it to go on")


def _engine(run: _Run, to_do: int, gone: threading.Event) -> Engine:
    """The engine for the connected cluster; what was chosen automatically goes into experiment.toml."""
    nodes, limits = cluster_nodes(), run.experiment.resources
    data = worker_data(run.dataset, run.digest)
    per_gpu = 1
    if any(node.gpus for node in nodes):
        chosen = limits.trials_per_gpu
        per_gpu = measured_per_gpu(largest(run.experiment.space), data, nodes) if chosen == "auto" else chosen
    slots = plan(nodes, cpus_per_trial=limits.cpus_per_trial, per_gpu=per_gpu, trials=max(to_do, 1))
    places = {
        "gpus": sum(node.gpus for node in nodes),
        "trials_per_gpu": per_gpu,
        "concurrent_trials": slots.concurrent,
    }
    write_atomically(run.run_dir / "experiment.toml", resolved(run.experiment, {**_about(run), **places}).encode())
    return Engine(run.run_dir, data, per_gpu, run.progress, gone)


def _announce(run: _Run, found: study.Audit, engine: Engine) -> None:
    """The first lines: where it runs, on which images, what it begins with or goes on from."""
    nodes, say, data = cluster_nodes(), run.progress.say, run.dataset
    gpus, cpus = sum(node.gpus for node in nodes), sum(node.cpus for node in nodes)
    where = f"{gpus} GPUs, up to {engine.per_gpu} trials on each" if gpus else "no GPU: training on the CPU"
    say(f"{len(nodes)} machine{'s' * (len(nodes) > 1)}, {cpus} CPUs, {where}")
    if data.name == FALLBACK:
        run.progress.result(f"NOTE: {run.experiment.data.dataset} was not to be had: {FALLBACK_NOTE}.")
    say(
        f"data: {data.name}, {len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test images"
    )
    if found.kept or found.continued or found.restarted:
        say(
            f"resumed: {found.kept} trials kept, {found.continued} continued from a saved state, "
            f"{found.restarted} restarted, {found.to_do} to do"
        )
    elif run.experiment.search.recipe_first and run.experiment.space.searched:
        differing = recipe_differences(run.experiment.space)
        words = ", ".join(f"{name} {value} instead of {recipe}" for name, (recipe, value) in differing.items())
        say("trial 0 is the article's recipe" + (f", but for {words}" if words else ""))


def _about(run: _Run) -> dict[str, Any]:
    data = run.dataset
    shared = {"study": study.name_in_shared(run.run_dir)} if run.experiment.search.storage else {}
    return {
        **shared,
        "dataset": data.name,
        "data_digest": run.digest,
        "train_images": len(data.train),
        "validation_images": len(data.val),
        "test_images": len(data.test),
    }
