"""The database that studies lie in: a file of SQLite in the run's folder, or a PostgreSQL that many runs share."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shutil import disk_usage
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, OperationalError

from model.errors import ConfigError, causes, is_full

# Ten seconds to connect; a server that vanished without a word is noticed within half a minute.
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
PATIENCE |= {"tcp_user_timeout": 30_000}
INDEX_BYTES = 2**16  # twice what SQLite's index of a log takes at least
LOCK_NOT_AVAILABLE = "55P03"


def file_url(path: Path) -> str:
    return sqlalchemy.URL.create("sqlite", database=str(path.absolute())).render_as_string()


def _open(path: Path) -> sqlite3.Connection:
    """For reading alone. Where there is no log SQLite needs no index of one, for which a full disk has no room; nor
    can anyone begin to write then."""
    log = path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro&immutable=1" if not log and disk_usage(path.parent).free < INDEX_BYTES else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", timeout=30, uri=True)


def open_file(path: Path) -> RDBStorage:
    """The database in `path`, created if absent. WAL survives killed processes and is ten times as fast.

    Raises ConfigError for a database that is damaged.
    """
    if path.exists():
        _check_whole(path)
    else:
        _create(path)
    storage = RDBStorage(file_url(path), engine_kwargs={"connect_args": {"timeout": 30}})

    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()
    sqlalchemy.event.listen(storage.engine, "connect", on_connect)
    return storage


def open_shared(url: str) -> RDBStorage:
    """Return the shared database at `url`, its tables created if absent. Raises ConfigError."""
    with locked(url, "tables", 30):  # or two searches that both find none would both create them
        try:
            return RDBStorage(url, engine_kwargs={"connect_args": PATIENCE})
        except (DBAPIError, StorageInternalError, RuntimeError) as error:  # the last: tables of another Optuna
            raise ConfigError(
                f"{url}: its tables can't be used ({_reason(error)}); see that you may create tables in it, "
                "or name a database of its own"
            ) from error


@contextmanager
def reading_file(path: Path) -> Iterator[sqlalchemy.Connection]:
    """A connection on which all queries see one moment, whatever a running search writes. Raises ConfigError."""
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
    """The same of a shared database."""
    with closing(_connection(url, "REPEATABLE READ")) as connection:
        try:
            yield connection
        except (DBAPIError, ValueError, KeyError) as error:
            raise ConfigError(f"{url}: can't be read ({_reason(error)}); see to it, then try again") from error


@contextmanager
def locked(url: str, name: str, wait: int = 2) -> Iterator[None]:
    """Hold the lock `name` of a shared database, which frees it even when this process is killed.

    Raises ConfigError where another process holds it for more than `wait` seconds.
    """
    with closing(_connection(url, "AUTOCOMMIT")) as connection:
        # The server, too, should soon notice a machine that vanished with the lock.
        connection.exec_driver_sql(f"SET lock_timeout = '{wait}s'; SET tcp_keepalives_idle = 30")
        connection.exec_driver_sql("SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3")
        # This connection says nothing for hours, which some servers are set to end (since PostgreSQL 14).
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
            with suppress(DBAPIError):  # with the connection the lock goes too, only later than this process goes on
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")


def is_locked(url: str, name: str) -> bool:
    """Whether any process on any machine holds the lock `name`. Raises ConfigError."""
    query = """
        SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND locktype = 'advisory' AND granted
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:name, 0))
    """
    with reading_shared(url) as connection:
        return bool(connection.scalar(sqlalchemy.text(query), {"name": name}))


def why_lost(error: BaseException) -> str | None:
    """Why the database of a study can't be used any more, if that is what `error` says: not of a disk that is full."""
    for cause in causes(error):
        if isinstance(cause, OperationalError) and not (isinstance(cause.orig, sqlite3.Error) and is_full(cause)):
            return _reason(cause)
    return None


def _connection(url: str, isolation_level: Any) -> sqlalchemy.Connection:
    """A connection of its own, outside any pool. Raises ConfigError where nobody answers."""
    try:
        engine = sqlalchemy.create_engine(
            url,
            connect_args=PATIENCE,
            poolclass=sqlalchemy.NullPool,
            pool_reset_on_return=None,  # it is closed, and perhaps broken
            isolation_level=isolation_level,
        )
        return engine.connect()
    except ImportError:
        raise ConfigError(f"{url}: needs psycopg, which is not there; pip install 'psycopg[binary]'") from None
    except DBAPIError as error:
        raise ConfigError(
            f"{url}: no database answers ({_reason(error)}); start it, see who may enter, or correct search.storage"
        ) from error


def _create(path: Path) -> None:
    """All tables or no file: an empty one is then damage, never what a search left that was killed as it began."""
    new = path.with_name(".study.db.new")
    new.unlink(missing_ok=True)
    RDBStorage(file_url(new)).engine.dispose()
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
        with closing(_open(path)) as connection:
            [(found,)] = connection.execute("PRAGMA quick_check(1)")
            [(page,)] = connection.execute("PRAGMA page_size")
        if found != "ok" or size % page:
            raise sqlite3.DatabaseError(found if found != "ok" else "its end is missing")
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> ConfigError:
    if is_full(error):
        return ConfigError(f"{path}: no room left on its disk to open it ({_reason(error)}); free some")
    if not os.access(path, os.R_OK):
        return ConfigError(f"{path}: can't be read (permission denied); see to its permissions")
    return ConfigError(
        f"{path}: can't be read ({_reason(error)}); restore it from a copy, or search under another --name"
    )


def _reason(error: BaseException) -> str:
    """The first line of what the database itself said, which SQLAlchemy and Optuna wrap."""
    cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)
