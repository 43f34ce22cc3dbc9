"""The database of one run: an SQLite file in its folder."""

import os
import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError

from model.errors import ConfigError, is_full, summary
from search.store.database_errors import reason

INDEX_BYTES = 2**16  # twice the least size of the index that SQLite keeps of a write-ahead log


def file_url(path: Path) -> str:
    return sqlalchemy.URL.create("sqlite", database=str(path.absolute())).render_as_string()


def open_own(path: Path) -> RDBStorage:
    """Return the database in the file `path`, created if absent. Raises ConfigError if it is damaged.

    It writes a log ahead (WAL), which survives a killed process and is ten times as fast.
    """
    if path.exists():
        _check_whole(path)
    else:
        _create(path)
    try:
        storage = RDBStorage(file_url(path), engine_kwargs={"connect_args": {"timeout": 30}})
    except RuntimeError as error:  # tables of another Optuna
        raise ConfigError(f"{path}: {_of_another_optuna(path, error)}") from error

    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")  # nothing is written of a study that was deleted meanwhile

    storage.engine.dispose()
    sqlalchemy.event.listen(storage.engine, "connect", on_connect)
    return storage


@contextmanager
def reading_own(path: Path) -> Iterator[sqlalchemy.Connection]:
    """Yield a connection to a run's own database on which all queries see one moment. Raises ConfigError.

    A search may go on writing meanwhile.
    """
    _check_whole(path)
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: _open(path), poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
    except (DBAPIError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    finally:
        engine.dispose()


def _open(path: Path) -> sqlite3.Connection:
    """Return a connection to the SQLite file `path` that only reads. Neither it nor its folder need be writable.

    To read a log (WAL) beside the file, SQLite needs an index of it in the folder. Where it can't make one, on a full
    disk or in a folder of others, nobody is writing: without a log the file may be opened as immutable, which needs no
    index, and a log is read from a copy.
    """
    log, index = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
    may_index = os.access(path.parent, os.W_OK) and shutil.disk_usage(path.parent).free >= INDEX_BYTES
    mode = "mode=ro"
    if not (may_index or index.exists()):
        if log.exists() and log.stat().st_size > 0:
            return _copied(path, log)
        mode += "&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", timeout=30, uri=True)


def _copied(path: Path, log: Path) -> sqlite3.Connection:
    """Return a connection to a copy, in memory, of the SQLite file `path` and its log."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for file in (path, log):
                shutil.copyfile(file, Path(folder) / file.name)
        except OSError as error:
            where = f"free some room in {tempfile.gettempdir()}" if is_full(error) else "see to its permissions"
            raise ConfigError(f"{path}: can't be copied, to be read ({error.strerror}); {where}") from error
        with closing(sqlite3.connect(Path(folder) / path.name)) as on_disk:
            in_memory = sqlite3.connect(":memory:", check_same_thread=False)
            on_disk.backup(in_memory)
    return in_memory


def _of_another_optuna(path: Path, error: RuntimeError) -> str:
    """Return what is wrong with tables that this Optuna refuses, and the remedy."""
    try:
        with closing(_open(path)) as connection:
            [(theirs,)] = connection.execute("SELECT library_version FROM version_info")
    except (sqlite3.Error, ValueError):
        return f"its tables can't be used ({summary(error)}); restore it from a copy, or search under another --name"
    remedy = f"install that one (pip install optuna=={theirs})"
    if "storage upgrade" in str(error):  # they are older
        remedy += f", or bring them up to date: optuna storage upgrade --storage {shlex.quote(file_url(path))}"
    return f"Optuna {theirs} wrote its tables, and Optuna {optuna.__version__} can't use them; {remedy}"


def _create(path: Path) -> None:
    """Create the database in the file `path` with all its tables, or not at all.

    An empty file is then a sign of damage, never what is left of a search that was killed as it began.
    """
    new = path.with_name(".study.db.new")
    new.unlink(missing_ok=True)
    RDBStorage(file_url(new)).engine.dispose()
    new.replace(path)


def _check_whole(path: Path) -> None:
    """Raise ConfigError if the SQLite file `path` has lost its end or is torn inside.

    SQLite itself takes an empty file for a new database and reads the missing part of the last page as zeros, which
    it writes as soon as any writer closes the file.
    """
    size = path.stat().st_size
    try:
        if not size:
            raise sqlite3.DatabaseError("it is empty")
        with closing(_open(path)) as connection:
            [(found,)] = connection.execute("PRAGMA quick_check(1)")
            [(page,)] = connection.execute("PRAGMA page_size")
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        if size % page:
            raise sqlite3.DatabaseError("its end is missing")
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> ConfigError:
    if is_full(error):
        return ConfigError(f"{path}: its disk has no room left to open it ({reason(error)}); free some")
    if not os.access(path, os.R_OK):
        return ConfigError(f"{path}: can't be read (permission denied); see to its permissions")
    return ConfigError(
        f"{path}: can't be read ({reason(error)}); restore it from a copy, or search under another --name"
    )
