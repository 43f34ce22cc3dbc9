"""The Optuna study on disk, which is the truth: create, open, record, audit and read. No Ray in here."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from search.lock import is_live
from search.space import ConfigError

SEARCH, CONFIRM, REFIT = "search", "confirm", "refit"
EPOCH = "epoch:"  # user attributes epoch:1, epoch:2, ... hold the metrics of one epoch each

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class TrialRecord:
    """One trial as a person asks about it. `state` is complete, pruned, failed, running, interrupted or waiting."""

    number: int
    state: str
    value: float | None
    params: dict[str, Any]
    epochs: list[dict[str, Any]]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """What a resumed search found: finished trials, trials to go on from a saved state, trials to begin again."""

    kept: int
    continued: int
    restarted: int
    to_do: int


def study_url(run_dir: Path) -> str:
    return f"sqlite:///{run_dir.absolute() / 'study.db'}"


def open_storage(run_dir: Path) -> RDBStorage:
    """The database of a run, created if absent. WAL survives killed processes and is ten times as fast.

    Raises ConfigError for a database that is damaged.
    """
    path = run_dir.absolute() / "study.db"
    if path.exists():
        _check_whole(path)
    else:
        _create(path)
    storage = RDBStorage(study_url(run_dir), engine_kwargs={"connect_args": {"timeout": 30}})

    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()
    sqlalchemy.event.listen(storage.engine, "connect", on_connect)
    return storage


def _create(path: Path) -> None:
    """All tables or no file: an empty one is then damage, never what a search left that was killed as it began."""
    new = path.with_name(".study.db.new")
    new.unlink(missing_ok=True)
    RDBStorage(f"sqlite:///{new}").engine.dispose()
    new.replace(path)


def _check_whole(path: Path) -> None:
    """Refuse a file that lost its end or is torn inside. Raises ConfigError.

    SQLite itself takes an empty file for a new database, and fills what is missing of the last page with zeros, for
    good as soon as anyone who may write closes it.
    """
    size = path.stat().st_size
    try:
        if not size:
            raise sqlite3.DatabaseError("it is empty")
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=30, uri=True)) as connection:
            [(found,)] = connection.execute("PRAGMA quick_check(1)")
            [(page,)] = connection.execute("PRAGMA page_size")
        if found != "ok" or size % page:
            raise sqlite3.DatabaseError(found if found != "ok" else "its end is missing")
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> ConfigError:
    reason = str(error).splitlines()[0]
    return ConfigError(f"{path}: can't be read ({reason}); restore it from a copy, or search under another --name")


def open_study(storage: RDBStorage, name: str) -> optuna.Study:
    """The study `name` of a run's database, created if absent. One objective: validation accuracy, to be maximised."""
    return optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        # Never asked: search/sampling.py draws, with a sampler seeded per trial.
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )


def set_attributes(study: optuna.Study, trial_id: int, **attributes: Any) -> None:
    for key, value in attributes.items():
        study._storage.set_trial_user_attr(trial_id, key, value)


def record_epoch(study: optuna.Study, trial_id: int, metrics: dict[str, Any]) -> None:
    """Store one epoch. A repeated epoch (after a restart) replaces the earlier one."""
    study._storage.set_trial_user_attr(trial_id, f"{EPOCH}{metrics['epoch']}", metrics)
    study._storage.set_trial_intermediate_value(trial_id, metrics["epoch"], metrics["val_accuracy"])


def finish(study: optuna.Study, trial_id: int, state: TrialState, error: str | None = None) -> None:
    """Tell a trial's end. COMPLETE and PRUNED take the last epoch's value: there is no picking of lucky epochs."""
    set_attributes(study, trial_id, ended=time.time(), **({} if error is None else {"error": error}))
    trial = study._storage.get_trial(trial_id)
    values = None
    if state != TrialState.FAIL:
        values = [trial.intermediate_values[max(trial.intermediate_values)]]
    study._storage.set_trial_state_values(trial_id, state=state, values=values)


def requeue(study: optuna.Study, trial_id: int) -> None:
    """Hand a trial back: the next ask returns it with its number, parameters and values."""
    study._storage.set_trial_state_values(trial_id, state=TrialState.WAITING)


def requeue_interrupted(study: optuna.Study) -> None:
    """After an interruption no trial runs: those that did wait for a resumption."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        requeue(study, trial._trial_id)


def audit(study: optuna.Study, trials: int) -> Audit:
    """What `study` holds, before anything runs, of a search of `trials`."""
    everything = study.get_trials(deepcopy=False)
    kept = [trial for trial in everything if trial.state.is_finished()]
    begun = [trial for trial in everything if not trial.state.is_finished() and "started" in trial.user_attrs]
    continued = [trial for trial in begun if "saved_state" in trial.user_attrs]
    to_do = max(trials, len(everything)) - len(kept)
    return Audit(len(kept), len(continued), len(begun) - len(continued), to_do)


def best_trials(study: optuna.Study, count: int | None = None) -> list[FrozenTrial]:
    """The complete trials of highest value, best first; the lower number first among equals."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))[:count]


def searched_seconds(study: optuna.Study) -> float:
    """Seconds of searching so far, over all sessions, pauses between them left out."""
    clocks = [
        value["clock"]
        for trial in study.get_trials(deepcopy=False)
        for key, value in trial.user_attrs.items()
        if key.startswith(EPOCH)
    ]
    return max(clocks, default=0.0)


def read_trials(run_dir: Path, name: str = SEARCH) -> list[TrialRecord]:
    """All trials of a study in the order of their numbers, by plain SQL: forty times as fast as Optuna's objects.

    Works on a running, interrupted or finished run, and while another process writes. Raises ConfigError.
    """
    if not (run_dir / "study.db").exists():
        raise ConfigError(f"{run_dir}: holds no study.db, so it is not a run; name a folder such as runs/quick")
    _check_whole(run_dir / "study.db")
    engine = sqlalchemy.create_engine(study_url(run_dir), connect_args={"timeout": 30})
    try:
        with engine.connect() as connection:
            return _read(connection, name, live=is_live(run_dir))
    except (sqlalchemy.exc.DatabaseError, ValueError, KeyError) as error:
        raise _unreadable(run_dir / "study.db", error.__cause__ or error) from error
    finally:
        engine.dispose()


def _read(connection: sqlalchemy.Connection, name: str, live: bool) -> list[TrialRecord]:
    connection.exec_driver_sql("BEGIN")  # all queries see one moment, whatever a running search writes meanwhile
    of_study = "FROM {} t JOIN trials USING (trial_id) JOIN studies USING (study_id) WHERE study_name = :name"

    def rows(columns: str, table: str) -> Iterator[Any]:
        return iter(connection.execute(sqlalchemy.text(f"SELECT {columns} {of_study.format(table)}"), {"name": name}))

    params: dict[int, dict[str, Any]] = {}
    for trial_id, key, value, distribution in rows(
        "trial_id, param_name, param_value, distribution_json", "trial_params"
    ):
        parsed = optuna.distributions.json_to_distribution(distribution)
        params.setdefault(trial_id, {})[key] = parsed.to_external_repr(value)
    attributes: dict[int, dict[str, Any]] = {}
    for trial_id, key, value in rows("trial_id, t.key, t.value_json", "trial_user_attributes"):
        attributes.setdefault(trial_id, {})[key] = json.loads(value)
    values = dict(tuple(row) for row in rows("trial_id, t.value", "trial_values"))
    everything = sqlalchemy.text(
        "SELECT trial_id, number, state FROM trials JOIN studies USING (study_id) "
        "WHERE study_name = :name ORDER BY number"
    )
    return [
        _record(number, state, values.get(trial_id), params.get(trial_id, {}), attributes.get(trial_id, {}), live)
        for trial_id, number, state in connection.execute(everything, {"name": name})
    ]


def _record(
    number: int, state: str, value: float | None, params: dict[str, Any], attributes: dict[str, Any], live: bool
) -> TrialRecord:
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    unfinished = "running" if live and state == "RUNNING" else "interrupted" if "started" in attributes else "waiting"
    epochs = [attributes[key] for key in attributes if key.startswith(EPOCH)]
    others = {key: value for key, value in attributes.items() if not key.startswith(EPOCH)}
    epochs.sort(key=lambda metrics: int(metrics["epoch"]))
    return TrialRecord(number, names.get(state, unfinished), value, params, epochs, others)
