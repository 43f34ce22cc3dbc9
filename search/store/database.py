"""The database that holds the studies: an SQLite file in the run's folder, or a PostgreSQL that many runs share."""

import os
import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, OperationalError

from model.errors import ConfigError, causes, is_full, summary

# Ten seconds to connect; half a minute to notice that a server has vanished without closing the connection.
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
PATIENCE |= {"tcp_user_timeout": 30_000}
INDEX_BYTES = 2**16  # twice the least size of the index that SQLite keeps of a write-ahead log
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for a lock that was not free in time


def file_url(path: Path) -> str:
    return sqlalchemy.URL.create("sqlite", database=str(path.absolute())).render_as_string()


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


def open_file(path: Path) -> RDBStorage:
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

    storage.engine.dispose()
    sqlalchemy.event.listen(storage.engine, "connect", on_connect)
    return storage


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


def open_shared(url: str) -> RDBStorage:
    """Return the shared database at `url`, its tables created if absent. Raises ConfigError."""
    with locked(url, "tables", 30):  # two searches that find no tables must not both create them
        try:
            return RDBStorage(url, engine_kwargs={"connect_args": PATIENCE})
        except RuntimeError as error:  # tables of another Optuna
            raise ConfigError(
                f"{url}: its tables can't be used ({summary(error)}); install that Optuna or name an empty database"
            ) from error
        except (DBAPIError, StorageInternalError) as error:
            raise ConfigError(
                f"{url}: its tables can't be used ({_reason(error)}); make sure that you may create tables in it, "
                "or name a database of its own"
            ) from error


@contextmanager
def reading_file(path: Path) -> Iterator[sqlalchemy.Connection]:
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


@contextmanager
def reading_shared(url: str) -> Iterator[sqlalchemy.Connection]:
    """Yield a connection to a shared database on which all queries see one moment. Raises ConfigError."""
    with closing(_connection(url, "REPEATABLE READ")) as connection:
        try:
            yield connection
        except (DBAPIError, ValueError, KeyError) as error:
            raise ConfigError(f"{url}: can't be read ({_reason(error)}); correct the cause, then try again") from error


@contextmanager
def locked(url: str, name: str, wait: int = 2) -> Iterator[None]:
    """Hold the lock `name` of a shared database while the body runs; the server frees it if this process is killed.

    Raises ConfigError if another process still holds it after `wait` seconds.
    """
    with closing(_connection(url, "AUTOCOMMIT")) as connection:
        # The server should soon notice, too, that a machine which held the lock has vanished.
        connection.exec_driver_sql(f"SET lock_timeout = '{wait}s'; SET tcp_keepalives_idle = 30")
        connection.exec_driver_sql("SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3")
        # This connection is silent for hours, and since PostgreSQL 14 a server may be set to end silent ones.
        connection.exec_driver_sql(
            "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
        )
        try:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(hashtextextended(:name, 0))"), {"name": name})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise ConfigError(
                f"{url}: another search is at work on {name} (from another machine, or a copy of its folder); "
                "wait for it or choose another --name"
            ) from None
        try:
            yield
        finally:
            with suppress(DBAPIError):  # closing the connection frees the lock too, but perhaps a moment later
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")


def is_locked(url: str, name: str) -> bool:
    """Return whether a process on any machine holds the lock `name` of a shared database. Raises ConfigError."""
    query = """
        SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND locktype = 'advisory' AND granted
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:name, 0))
    """
    with reading_shared(url) as connection:
        return bool(connection.scalar(sqlalchemy.text(query), {"name": name}))


def why_lost(error: BaseException) -> str | None:
    """Return why the database of a study can't be used any longer; None if `error` has another cause.

    A full disk counts as another cause.
    """
    for cause in causes(error):
        if isinstance(cause, OperationalError):
            full_disk = isinstance(cause.orig, sqlite3.Error) and is_full(cause)
            if not full_disk:
                return _reason(cause)
    return None


def _connection(url: str, isolation_level: Any) -> sqlalchemy.Connection:
    """Return a new connection to a shared database, outside any pool. Raises ConfigError if no server answers."""
    try:
        engine = sqlalchemy.create_engine(
            url,
            connect_args=PATIENCE,
            poolclass=sqlalchemy.NullPool,
            pool_reset_on_return=None,  # the connection is closed anyway, and may be broken
            isolation_level=isolation_level,
        )
        return engine.connect()
    except ImportError:
        raise ConfigError(f"{url}: needs psycopg, which is not installed; pip install 'psycopg[binary]'") from None
    except DBAPIError as error:
        raise ConfigError(
            f"{url}: no database answers ({_reason(error)}); start it, check who may enter, or correct search.storage"
        ) from error


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
        return ConfigError(f"{path}: its disk has no room left to open it ({_reason(error)}); free some")
    if not os.access(path, os.R_OK):
        return ConfigError(f"{path}: can't be read (permission denied); see to its permissions")
    return ConfigError(
        f"{path}: can't be read ({_reason(error)}); restore it from a copy, or search under another --name"
    )


def _reason(error: BaseException) -> str:
    """Return the first line of what the database itself said, which SQLAlchemy and Optuna wrap."""
    cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)
