"""Optuna's own tables, read and written by plain SQL: the one file that knows how Optuna stores a trial.

Optuna's interface takes one transaction per value, and forty times as long to read all trials. This file writes what
`optuna.storages.RDBStorage` writes (read in optuna 5.0.0, optuna/storages/_rdb/models.py, schema version 12);
`tests/search/store/test_optuna_tables.py` compares the two, so that a new Optuna with other tables is noticed.
"""

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, DateTime, bindparam, text

TIMES = (bindparam("start", type_=DateTime), bindparam("complete", type_=DateTime))
INSERT_TRIAL = text(
    "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) "
    "VALUES (:number, :study, :state, :start, :complete)"
).bindparams(*TIMES)
RETURNING_TRIAL = text(f"{INSERT_TRIAL.text} RETURNING trial_id").bindparams(*TIMES)
FIND_TRIAL = text("SELECT trial_id FROM trials WHERE study_id = :study AND number = :number")
# A transaction that has inserted a trial holds a lock of its study, which FOR UPDATE waits for. SQLite lacks it.
AWAIT_INSERTS = text("SELECT study_id FROM studies WHERE study_id = :study FOR UPDATE")
UPDATE_STATE = text(
    "UPDATE trials SET state = :state, datetime_start = :start, datetime_complete = :complete WHERE trial_id = :trial"
).bindparams(*TIMES)
SET_VALUE = text(
    "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (:trial, :objective, :value, :type) "
    "ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type"
)
DELETE_VALUE = text("DELETE FROM trial_values WHERE trial_id = :trial")
SET_INTERMEDIATE = text(
    "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
    "VALUES (:trial, :step, :value, :type) ON CONFLICT (trial_id, step) DO UPDATE SET "
    "intermediate_value = excluded.intermediate_value, intermediate_value_type = excluded.intermediate_value_type"
)
SET_PARAM = text(
    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
    "VALUES (:trial, :name, :value, :distribution) ON CONFLICT (trial_id, param_name) "
    "DO UPDATE SET param_value = excluded.param_value, distribution_json = excluded.distribution_json"
)
# The columns that give attributes in the order in which they were written.
USER_KEY, SYSTEM_KEY = "trial_user_attribute_id", "trial_system_attribute_id"
SET_ATTRIBUTE = {
    table: text(
        f"INSERT INTO {table} ({owner}, key, value_json) VALUES (:owner, :key, :value) "
        f"ON CONFLICT ({owner}, key) DO UPDATE SET value_json = excluded.value_json"
    )
    for table, owner in (
        ("trial_user_attributes", "trial_id"),
        ("trial_system_attributes", "trial_id"),
        ("study_user_attributes", "study_id"),
        ("study_system_attributes", "study_id"),
    )
}
OF_TRIALS = ["trial_params", "trial_values", "trial_intermediate_values", "trial_heartbeats"]
OF_TRIALS += ["trial_user_attributes", "trial_system_attributes"]
OF_STUDIES = ("trials", "study_directions", "study_user_attributes", "study_system_attributes", "studies")
# No database holds these values under all circumstances, so Optuna writes a type in their place.
NOT_FINITE = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}


def insert_trial(connection: Connection, study: int, trial: FrozenTrial, again: bool = False) -> int:
    """Write a new trial with all that it holds; return its row. `study` is the row of its study.

    With `again` an earlier attempt may have written it: its transaction was to be committed, and no answer came. The
    transaction has then ended, or ends first, and the trial is inserted only if it is not there.
    """
    row = _find_trial(connection, study, trial.number) if again else None
    if row is None:
        values = {"number": trial.number, "study": study, **_state(trial)}
        if connection.dialect.name == "sqlite":  # which knows RETURNING from 3.35 on
            row = connection.execute(INSERT_TRIAL, values).lastrowid
        else:
            row = connection.execute(RETURNING_TRIAL, values).scalar_one()
    for key, value in trial.user_attrs.items():
        set_attribute(connection, "trial_user_attributes", row, key, value)
    for key, value in trial.system_attrs.items():
        set_attribute(connection, "trial_system_attributes", row, key, value)
    for name, distribution in trial.distributions.items():
        set_param(connection, row, name, distribution.to_internal_repr(trial.params[name]), distribution)
    for step, value in trial.intermediate_values.items():
        set_intermediate(connection, row, step, value)
    _set_values(connection, row, trial)
    return row


def _find_trial(connection: Connection, study: int, number: int) -> int | None:
    if connection.dialect.name != "sqlite":
        connection.execute(AWAIT_INSERTS, {"study": study})
    row: int | None = connection.scalar(FIND_TRIAL, {"study": study, "number": number})
    return row


def update_state(connection: Connection, row: int, trial: FrozenTrial) -> None:
    """Write the state, the times and the value of the trial in `row`."""
    connection.execute(UPDATE_STATE, {"trial": row, **_state(trial)})
    _set_values(connection, row, trial)


def _set_values(connection: Connection, row: int, trial: FrozenTrial) -> None:
    for objective, value in enumerate(trial.values or ()):
        connection.execute(SET_VALUE, {"trial": row, "objective": objective, **_typed(value)})


def reopen(connection: Connection, row: int, trial: FrozenTrial) -> None:
    """Write that the trial in `row` is no longer finished: its state, its times, no value."""
    connection.execute(UPDATE_STATE, {"trial": row, **_state(trial)})
    connection.execute(DELETE_VALUE, {"trial": row})


def set_param(connection: Connection, row: int, name: str, value: float, distribution: BaseDistribution) -> None:
    """Write one parameter of the trial in `row`; `value` is in the distribution's internal representation."""
    parameter = {"trial": row, "name": name, "value": value, "distribution": distribution_to_json(distribution)}
    connection.execute(SET_PARAM, parameter)


def set_intermediate(connection: Connection, row: int, step: int, value: float) -> None:
    """Write the value after a step of the trial in `row`; a repeated step replaces the earlier value."""
    connection.execute(SET_INTERMEDIATE, {"trial": row, "step": step, **_typed(value)})


def _typed(value: float) -> dict[str, Any]:
    """Return a value as Optuna stores it: a finite one itself, the type of any other."""
    if math.isnan(value):
        return {"value": None, "type": "NAN"}
    if math.isinf(value):
        return {"value": None, "type": "INF_POS" if value > 0 else "INF_NEG"}
    return {"value": value, "type": "FINITE"}


def delete_study(connection: Connection, row: int) -> None:
    """Delete the study in `row` with all that belongs to it."""
    for table in OF_TRIALS:
        query = f"DELETE FROM {table} WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = :study)"
        connection.execute(text(query), {"study": row})
    for table in OF_STUDIES:
        connection.execute(text(f"DELETE FROM {table} WHERE study_id = :study"), {"study": row})


def set_attribute(connection: Connection, table: str, row: int, key: str, value: Any) -> None:
    """Write an attribute of the trial or study in `row`; `table` is a key of `SET_ATTRIBUTE`."""
    connection.execute(SET_ATTRIBUTE[table], {"owner": row, "key": key, "value": json.dumps(value)})


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Make no rounds of Python's garbage collector in the body: each would look at all that was read so far."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_collector_at_rest()
def read_study(connection: Connection, study: str) -> dict[int, FrozenTrial]:
    """Return the trials of the study named `study`, as row -> trial, in the order of their numbers."""
    trials = _rows_of_trials(connection, study)
    for row, name, value, stored in _of_trials(
        connection, study, "trial_params", "param_name, param_value, distribution_json", "param_id"
    ):
        distribution = _distribution(stored)
        trials[row].params[name] = distribution.to_external_repr(value)
        trials[row].distributions[name] = distribution
    for row, key, value in _attributes(connection, study, "trial_user_attributes", USER_KEY):
        trials[row].user_attrs[key] = value
    for row, key, value in _attributes(connection, study, "trial_system_attributes", SYSTEM_KEY):
        trials[row].system_attrs[key] = value
    columns = "step, intermediate_value, intermediate_value_type"
    for row, step, value, kind in _of_trials(connection, study, "trial_intermediate_values", columns, "step"):
        trials[row].intermediate_values[step] = NOT_FINITE.get(kind, value)
    for row, value, kind in _of_trials(connection, study, "trial_values", "t.value, t.value_type", "objective"):
        trials[row].values = [*(trials[row].values or ()), NOT_FINITE.get(kind, value)]
    return trials


def _rows_of_trials(connection: Connection, study: str) -> dict[int, FrozenTrial]:
    """Return what the table `trials` holds of a study: row -> trial, without values, parameters and attributes."""
    rows = text(
        "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials JOIN studies USING (study_id) "
        "WHERE study_name = :study ORDER BY number"
    ).columns(datetime_start=DateTime, datetime_complete=DateTime)
    return {
        row: FrozenTrial(
            number=number, state=TrialState[state], value=None, datetime_start=_local(start),
            datetime_complete=_local(complete), params={}, distributions={}, user_attrs={}, system_attrs={},
            intermediate_values={}, trial_id=row,
        )
        for row, number, state, start, complete in connection.execute(rows, {"study": study})
    }  # fmt: skip


def _attributes(connection: Connection, study: str, table: str, order: str) -> Iterator[tuple[int, str, Any]]:
    """Yield (trial's row, key, value) of all attributes of a study's trials, in the order of the column `order`."""
    rows = list(_of_trials(connection, study, table, "t.key, t.value_json", order))
    values = json.loads(f"[{','.join(value for _, _, value in rows)}]")  # one by one takes twice as long
    for (row, key, _), value in zip(rows, values, strict=True):
        yield row, key, value


def _of_trials(connection: Connection, study: str, table: str, columns: str, order: str) -> Iterator[Any]:
    """Yield (trial's row, *columns) of all trials of a study, in the order of the column `order`."""
    query = text(
        f"SELECT trial_id, {columns} FROM {table} t JOIN trials USING (trial_id) JOIN studies USING (study_id) "
        f"WHERE study_name = :study ORDER BY t.{order}"
    )
    yield from connection.execute(query, {"study": study}).all()  # row by row takes twice as long


def _state(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "start": _utc(trial.datetime_start),
        "complete": _utc(trial.datetime_complete),
    }


@lru_cache(maxsize=1000)
def _distribution(stored: str) -> BaseDistribution:
    return json_to_distribution(stored)


def _utc(local: datetime | None) -> datetime | None:
    return None if local is None else local.astimezone(UTC).replace(tzinfo=None)


def _local(utc: datetime | None) -> datetime | None:
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
