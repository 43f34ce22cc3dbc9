"""The PostgreSQL database that many runs share, and the locks that it holds for their drivers."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import DBAPIError

from model.errors import ConfigError, summary
from search.store.database_errors import TakenError, reason

CONNECTION: dict[str, int | None] = {
    # Ten seconds to connect; half a minute to notice that a server has vanished without closing the connection.
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    # A pooler may give each transaction another connection to the server, with other prepared statements.
    "prepare_threshold": None,
}  # fmt: skip
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for a lock that was not free in time
IDLE_LIMITS = ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
LOCK = sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
HOLDER = sqlalchemy.text("""
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:name, 0)
""")


class DatabaseLock:
    """A lock of a shared database, held in a transaction that stays open: the server frees it if this process dies.

    A lock of the session would not do: a pooler of transactions (PgBouncer) gives the connection to the server, and the
    lock with it, to somebody else as soon as no transaction is open. The transaction reads and writes nothing, so it
    keeps no other from cleaning up.
    """

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self._connection: sqlalchemy.Connection | None = None
        self._process = 0  # of the server, for this connection

    def take(self, wait: int = 2) -> None:
        """Take the lock. Raises TakenError if another process still holds it after `wait` seconds, and ConfigError."""
        self._connection = connection = _connection(self.url, "READ COMMITTED")
        earlier = self._process
        try:
            # The server should soon notice, too, that a machine which held the lock has vanished.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{wait}s'; SET LOCAL tcp_keepalives_idle = 30")
            connection.exec_driver_sql("SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 3")
            lift_limits(connection.exec_driver_sql, *IDLE_LIMITS, of_transaction=True)
            self._process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            holder = connection.scalar(HOLDER, {"name": self.name})
            connection.execute(LOCK, {"name": self.name})
        except DBAPIError as error:
            self.release()
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise ConfigError(f"{self.url}: refuses a lock ({reason(error)}); correct search.storage") from error
            if holder == earlier:  # of our connection that was lost, which the server has not noticed yet
                self._process = earlier
                raise
            raise TakenError(
                f"{self.url}: another search is at work on {self.name} (from another machine, or a copy of its "
                "folder); wait for it or choose another --name"
            ) from None

    def renew(self) -> None:
        """Take the lock again if its connection is lost, as it is once the server was restarted. Raises as `take`."""
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.exec_driver_sql("SELECT 1")
                return
            self.release()
        self.take()

    def release(self) -> None:
        taken, self._connection = self._connection, None
        if taken is not None:
            with suppress(DBAPIError), closing(taken) as connection:
                connection.rollback()  # closing frees the lock too, but perhaps a moment later


def open_shared(url: str, lock: DatabaseLock | None = None) -> RDBStorage:
    """Return the shared database at `url`, its tables created if absent. Raises ConfigError.

    With each new connection `lock` is renewed: what ended an earlier connection may have ended the lock's.
    """
    with locked(url, "tables", 30):  # two searches that find no tables must not both create them
        try:
            database = RDBStorage(url, engine_kwargs={"connect_args": CONNECTION, "pool_pre_ping": True})
        except RuntimeError as error:  # tables of another Optuna
            raise ConfigError(
                f"{url}: its tables can't be used ({summary(error)}); install that Optuna or name an empty database"
            ) from error
        except (DBAPIError, StorageInternalError) as error:
            raise ConfigError(
                f"{url}: its tables can't be used ({reason(error)}); make sure that you may create tables in it, "
                "or name a database of its own"
            ) from error

    def on_connect(connection: Any, _record: Any) -> None:
        lift_limits(connection.execute, "idle_session_timeout")  # it is silent for as long as an epoch takes
        connection.commit()
        if lock is not None:
            lock.renew()

    database.engine.dispose()
    sqlalchemy.event.listen(database.engine, "connect", on_connect)
    return database


@contextmanager
def reading_shared(url: str) -> Iterator[sqlalchemy.Connection]:
    """Yield a connection to a shared database on which all queries see one moment. Raises ConfigError."""
    with closing(_connection(url, "REPEATABLE READ")) as connection:
        try:
            yield connection
        except (DBAPIError, ValueError, KeyError) as error:
            raise ConfigError(f"{url}: can't be read ({reason(error)}); correct the cause, then try again") from error


@contextmanager
def locked(url: str, name: str, wait: int = 2) -> Iterator[DatabaseLock]:
    """Hold the lock `name` of a shared database while the body runs; the server frees it if this process is killed.

    Raises ConfigError if another process still holds it after `wait` seconds.
    """
    lock = DatabaseLock(url, name)
    lock.take(wait)
    try:
        yield lock
    finally:
        lock.release()


def lift_limits(execute: Callable[[str], Any], *names: str, of_transaction: bool = False) -> None:
    """Set limits of the server, where it has them, to none: for the session, or for the open transaction alone."""
    listed = ", ".join(f"'{name}'" for name in names)
    local = "true" if of_transaction else "false"
    execute(f"SELECT set_config(name, '0', {local}) FROM pg_settings WHERE name IN ({listed})")


def is_locked(url: str, name: str) -> bool:
    """Return whether a process on any machine holds the lock `name` of a shared database. Raises ConfigError."""
    with reading_shared(url) as connection:
        return connection.scalar(HOLDER, {"name": name}) is not None


def _connection(url: str, isolation_level: Any) -> sqlalchemy.Connection:
    """Return a new connection to a shared database, outside any pool. Raises ConfigError if no server answers."""
    try:
        engine = sqlalchemy.create_engine(
            url,
            connect_args=CONNECTION,
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
