"""The PostgreSQL database that many runs share, and the locks that it holds for their drivers."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError, OperationalError

from model.errors import ConfigError, summary
from search.store.database_errors import reason

# Ten seconds to connect; half a minute to notice that a server has vanished without closing the connection.
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
PATIENCE |= {"tcp_user_timeout": 30_000}
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for a lock that was not free in time


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
                f"{url}: its tables can't be used ({reason(error)}); make sure that you may create tables in it, "
                "or name a database of its own"
            ) from error


@contextmanager
def reading_shared(url: str) -> Iterator[sqlalchemy.Connection]:
    """Yield a connection to a shared database on which all queries see one moment. Raises ConfigError."""
    with closing(_connection(url, "REPEATABLE READ")) as connection:
        try:
            yield connection
        except (DBAPIError, ValueError, KeyError) as error:
            raise ConfigError(f"{url}: can't be read ({reason(error)}); correct the cause, then try again") from error


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
            f"{url}: no database answers ({reason(error)}); start it, check who may enter, or correct search.storage"
        ) from error
