"""A whole run, read as a table of contents: open the folder, get the images, search, confirm, export."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from model.card import replace_by_newer
from model.data import Dataset, data_root, load_dataset
from model.errors import ConfigError, causes, is_full, of_file, summary
from model.files import write_atomically
from model.interruptions import check
from search import stages
from search.experiment import Experiment
from search.on_ray.door import over_ray
from search.progress import Progress
from search.stages import Engine, Run, StoppedError
from search.stages.automatic import as_it_begins, note_engine
from search.store import location, object_store
from search.store.database_errors import what_is_lost
from search.store.export import exported
from search.store.folder import check_data, check_folder, owner_warning, write_resolved
from search.store.lock import run_lock
from search.store.lost import stop_reason
from search.store.provenance import data_digest, environment
from search.store.shared_database import open_shared
from search.store.study import STUDIES
from search.strategy.given import quiet_optuna
from search.winner import Outcome, outcome_of

LAST_DELETIONS = 10.0  # seconds that a command waits at its end for deletions in an object store
Connect = Callable[[Run, str | None], AbstractContextManager[Engine]]


def run_search(
    experiment: Experiment,
    run_dir: Path,
    progress: Progress,
    *,
    resume: bool = False,
    searching: bool = True,
    address: str | None = None,
    data: Path | None = None,
    retry_failed: bool = False,
    pick: int | None = None,
    connect: Connect | None = None,
) -> Outcome:
    """Search the hyperparameters that `experiment` names, confirm the best, export the winner, all into `run_dir`.

    With `searching` false the trials that are there are confirmed and exported, and no others run. With `retry_failed`
    what failed before is tried again. With `pick` that trial is exported in place of the winner. `connect` opens what
    runs the trials, by default Ray; it sets this process's environment for good, and ends the process should Ray die.
    Nothing of Ray starts when all is done already. Raises ConfigError for what a user can correct.
    """
    with _opened(experiment, run_dir, progress, resume, address, data) as run:
        if retry_failed:
            stages.retry_failed_trials(run, searching)
        found = stages.prepare(run, searching)
        if pick is not None:
            stages.check_pick(run, pick)
        if experiment.report.tensorboard:
            _follow_for_tensorboard(run)
        if not (searching and found.to_do) and stages.is_settled(run, pick):
            remedy = "raise search.trials (or --trials)" + " or drop search.stop" * bool(experiment.search.stop)
            more = f"{found.to_do} are still to do" if found.to_do else f"{remedy} to search on"
            done = "all is confirmed and exported" if exported(run_dir) else "nothing is there to export"
            progress.result(f"{done} of {found.kept} finished trials; {more}")
            return _outcome(run)
        with (connect or over_ray())(run, address) as engine:
            note_engine(run, engine, max(found.to_do, 1) if searching else 1)
            stages.announce(run, found, engine)
            stages.warn_of_learning_rates(run, searching)
            stopped = _run_stages(run, engine, searching, pick)
            for fault in engine.faults.unresolved:
                progress.result(fault)
        return _outcome(run, stopped)


def _run_stages(run: Run, engine: Engine, searching: bool, pick: int | None) -> str | None:
    """Run the stages, the search only if `searching`; return why they stopped early, None if all is done."""
    try:
        if searching:
            stages.search(run, engine)
        stages.confirm(run, engine)
        check()
        if pick is not None:
            stages.train_picked(run, engine, pick)
        stages.export(run, engine, pick)
    except StoppedError as stopped:
        return str(stopped)
    except ConfigError:
        raise
    except Exception as error:
        if reason := stop_reason(error, run.run_dir):
            return reason
        raise
    return None


@contextmanager
def correctable() -> Iterator[None]:
    """Turn what the disk or the database refuses into ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if is_full(error):
            *_, cause = causes(error)
            reason = summary(cause)
            raise ConfigError(f"no room left on a disk ({reason}); free some, then go on with --resume") from error
        if lost := what_is_lost(error):
            raise ConfigError(f"{lost}, then go on with --resume") from error
        if isinstance(error, OSError) and error.filename:
            raise ConfigError(of_file(error)) from error
        raise


@contextmanager
def _opened(
    experiment: Experiment,
    run_dir: Path,
    progress: Progress,
    resume: bool,
    address: str | None,
    data: Path | None,
) -> Iterator[Run]:
    """Check and lock the run's folder, load the images, open the study. Raises ConfigError."""
    if address is not None:
        from search.on_ray.address import check_address

        check_address(address)
    check_folder(experiment, run_dir, resume=resume)
    if experiment.search.storage:
        open_shared(experiment.search.storage).engine.dispose()  # before anything is written that names it
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{run_dir}: can't be made ({error.strerror}); choose another --out or --name") from None
    if warning := owner_warning(run_dir):
        progress.warn(warning)
    with run_lock(run_dir):
        if not check_folder(experiment, run_dir, resume=resume):  # again: another driver may have begun meanwhile
            location.discard(run_dir)
        replace_by_newer(run_dir / "export")
        dataset = _load(experiment, data)
        check()
        digest = data_digest(dataset)
        check_data(run_dir, dataset, digest)
        write_atomically(run_dir / "environment.json", json.dumps(environment(experiment), indent=2).encode())
        if not (run_dir / "experiment.toml").exists():
            chosen = as_it_begins(experiment.search.precision, address)
            write_resolved(run_dir, experiment, dataset, digest, chosen)
        location.checkpoint_store(run_dir).claim()
        with location.sole_driver(run_dir) as lock, quiet_optuna():
            storage = location.open_storage(run_dir, lock)
            storage.on_outage = progress.warn
            try:
                yield Run(run_dir, experiment, dataset, digest, storage, progress)
            finally:
                storage.close()
                object_store.DELETIONS.wait(LAST_DELETIONS)


def _follow_for_tensorboard(run: Run) -> None:
    """Have all that the run's studies hold, now and later, written for TensorBoard."""
    from search.progress.tensorboard import EventFiles  # the library takes its time

    studies = [run.study(name) for name in STUDIES]
    run.storage.follow(EventFiles(run.run_dir / "tensorboard", studies, run.progress.warn).update)


def _outcome(run: Run, stopped: str | None = None) -> Outcome:
    return outcome_of(run.run_dir, stopped, None if stopped else exported(run.run_dir))


def _load(experiment: Experiment, data: Path | None) -> Dataset:
    return load_dataset(
        experiment.data.dataset,
        data_root(data),
        validation_images=experiment.data.validation_images,
        train_images=experiment.data.train_images,
        seed=experiment.search.seed,
        fallback=experiment.data.fallback is not None,
    )
