"""The storage of a run: Optuna's storage protocol, answered from memory and written through to the database."""

import math
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection

from model.errors import ConfigError
from search.store import optuna_tables
from search.store.outage import Result, outlasting

Write = Callable[[Connection], None]


class BrokenStorageError(Exception):
    """Raised by every write to a storage after one of its transactions failed; the failure is its cause."""


class RunStorage(InMemoryStorage):
    """The studies of one run, kept in memory, with every change written to the run's database.

    The driver is the only writer, so nothing is read back. All changes within one `transaction` reach the database
    together, or not at all.

    A transaction that fails because a shared database does not answer is written again, on a new connection, for
    `outage.LIMIT` seconds or until `give_up` is set. Where its end was to be committed and no answer came, it may be
    in the database already: to write it twice changes nothing, as every write sets the row of its key, and a trial is
    inserted only if it is not there.

    If a transaction fails for good, the memory is ahead of the database: every later write raises BrokenStorageError,
    and a new storage starts from what the database holds.
    """

    give_up = False  # whether nobody wants to wait for a database that does not answer; a signal's handler may set it

    def __init__(self, database: RDBStorage, prefix: str = "") -> None:
        """Take over `database`; `prefix` begins the names of the run's studies where other runs share it."""
        super().__init__()
        self.database = database
        self.prefix = prefix
        self._study_rows: dict[int, int] = {}
        self._trial_rows: dict[int, int] = {}
        self._pending: list[Write] | None = None
        self._one_thread = threading.RLock()
        self._follower: Callable[[], None] = lambda: None
        self.on_outage: Callable[[str], None] = lambda _: None  # is told that the database does not answer
        self._failure: BaseException | None = None  # why a transaction failed
        self.waited = 0.0  # seconds spent on writing, which are long where the database did not answer

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a run's storage stays in the process that drives it")

    @property
    def broken(self) -> bool:
        """Whether a transaction has failed, so that nothing can be written any more."""
        return self._failure is not None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all changes that the body makes in one transaction; an inner one joins the outer one.

        Another thread waits: at a second Ctrl-C the driver's comes while the Tuner's may still be at work.

        Raises:
            BrokenStorageError: An earlier transaction failed.
        """
        with self._one_thread:
            if self._failure is not None:
                raise BrokenStorageError("nothing can be written after a transaction failed") from self._failure
            if self._pending is not None:
                yield
            else:
                with self._written():
                    yield
                self._follower()

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Collect the changes that the body makes, and write them together."""
        pending = self._pending = []
        try:
            yield
            if pending:
                self._outlasting(lambda: self._write_all(pending))
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._pending = None

    def _write_all(self, pending: list[Write]) -> None:
        with self.database.engine.begin() as connection:
            for write in pending:
                write(connection)

    def _outlasting(self, action: Callable[[], Result]) -> Result:
        began = time.monotonic()
        try:
            return outlasting(action, lambda: self.give_up, lambda text: self.on_outage(text))
        finally:
            self.waited += time.monotonic() - began

    def follow(self, follower: Callable[[], None]) -> None:
        """Have `follower`, which only reads, called now and after each transaction."""
        self._follower = follower
        follower()

    def close(self) -> None:
        """Give back the connections to the database."""
        self.database.engine.dispose()

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Create the study `study_name`, or load it if the database has it already; return its id in memory."""
        with self._one_thread:
            study_id = super().create_new_study(directions, study_name)  # raises DuplicatedStudyError if in memory
            try:
                stored = self._outlasting(lambda: self._create_stored(study_id, directions))
            except BaseException as error:
                self._failure = error
                raise
        name = self.get_study_name_from_id(study_id)
        if [trial.number for trial in stored.values()] != list(range(len(stored))):
            raise ConfigError(f"the study {name!r} lacks trials, or has some twice; restore it from a copy")
        for trial_row, trial in stored.items():
            self._trial_rows[super().create_new_trial(study_id, trial)] = trial_row
        return study_id

    def _create_stored(self, study_id: int, directions: Sequence[StudyDirection]) -> dict[int, FrozenTrial]:
        """Create a study in the database too, or read its attributes; return the trials that it has there."""
        name = self.get_study_name_from_id(study_id)
        with suppress(DuplicatedStudyError):
            self.database.create_new_study(directions, name)
        self._study_rows[study_id] = row = self.database.get_study_id_from_name(name)
        for key, value in self.database.get_study_user_attrs(row).items():
            super().set_study_user_attr(study_id, key, value)
        for key, value in self.database.get_study_system_attrs(row).items():
            super().set_study_system_attr(study_id, key, value)
        with self.database.engine.connect() as connection:
            return optuna_tables.read_study(connection, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials in `states`, or all.

        Given a tuple of WAITING alone, InMemoryStorage looks only after the last waiting trial that it found. Here
        earlier trials wait again when their workers died, so it gets a set.
        """
        if states == (TrialState.WAITING,):
            states = frozenset((TrialState.WAITING,))
        return super().get_all_trials(study_id, deepcopy, states)

    def delete_study(self, study_id: int) -> None:
        """Delete a study and its trials, in memory and in the database."""
        super().delete_study(study_id)
        row = self._study_rows[study_id]
        self._write(lambda to: optuna_tables.delete_study(to, row))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_user_attr(study_id, key, value)
        row = self._study_rows[study_id]
        self._write(lambda to: optuna_tables.set_attribute(to, "study_user_attributes", row, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_system_attr(study_id, key, value)
        row = self._study_rows[study_id]
        self._write(lambda to: optuna_tables.set_attribute(to, "study_system_attributes", row, key, value))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if template_trial is not None:
            _refuse_nan(template_trial.values)
        trial_id = super().create_new_trial(study_id, template_trial)
        trial = self.get_trial(trial_id)

        def write(connection: Connection) -> None:
            again = trial_id in self._trial_rows
            row = optuna_tables.insert_trial(connection, self._study_rows[study_id], trial, again)
            self._trial_rows[trial_id] = row

        self._write(write)
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        self._write(
            lambda to: optuna_tables.set_param(
                to, self._trial_rows[trial_id], param_name, param_value_internal, distribution
            )
        )

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        _refuse_nan(values)
        changed = super().set_trial_state_values(trial_id, state, values)
        if changed:
            trial = self.get_trial(trial_id)
            self._write(lambda to: optuna_tables.update_state(to, self._trial_rows[trial_id], trial))
        return changed

    def reopen(self, trial_id: int) -> None:
        """Set a finished trial back to RUNNING, which Optuna's own interface never does."""
        trial = self.get_trial(trial_id)
        trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
        self._write(lambda to: optuna_tables.reopen(to, self._trial_rows[trial_id], trial))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        self._write(lambda to: optuna_tables.set_intermediate(to, self._trial_rows[trial_id], step, intermediate_value))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_user_attr(trial_id, key, value)
        self._set_attribute("trial_user_attributes", trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_system_attr(trial_id, key, value)
        self._set_attribute("trial_system_attributes", trial_id, key, value)

    def _set_attribute(self, table: str, trial_id: int, key: str, value: Any) -> None:
        self._write(lambda to: optuna_tables.set_attribute(to, table, self._trial_rows[trial_id], key, value))

    def _write(self, write: Write) -> None:
        with self.transaction():
            assert self._pending is not None
            self._pending.append(write)


def _refuse_nan(values: Sequence[float] | None) -> None:
    """Raise ValueError for a trial's value that is not a number, for which Optuna's tables have no place."""
    if any(math.isnan(value) for value in values or ()):
        raise ValueError(f"a trial has the values {list(values or ())}: none may be NaN; end it as failed")
