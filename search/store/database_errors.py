"""What a database itself said when it failed, under all that SQLAlchemy and Optuna wrap around it."""

import sqlite3

from sqlalchemy.exc import IntegrityError, OperationalError

from model.errors import ConfigError, causes, is_full

DELETED = "the study was deleted from its database; restore it from a copy"
FOREIGN_KEY = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")  # what is written belongs to a row that is not there


class TakenError(ConfigError):
    """Raised if another process holds the lock of a run in a shared database."""


def is_outage(error: BaseException) -> bool:
    """Return whether `error` says that a shared database does not answer now, but may do so later.

    A full disk is no outage, nor are a study that was deleted and a lock that another process holds. Nor is anything
    that SQLite says: it has waited already, and there is no server that could come back.
    """
    if is_full(error) or any(isinstance(cause, TakenError) for cause in causes(error)):
        return False
    found = [cause.orig for cause in causes(error) if isinstance(cause, OperationalError)]
    return bool(found) and not any(isinstance(said, sqlite3.Error) for said in found)


def what_is_lost(error: BaseException) -> str | None:
    """Return why a study can't be written to any longer, and a remedy; None if `error` has another cause.

    A full disk counts as another cause.
    """
    for cause in causes(error):
        if isinstance(cause, TakenError):
            return str(cause)
        if isinstance(cause, IntegrityError) and _code(cause) in FOREIGN_KEY:
            return DELETED
        if isinstance(cause, OperationalError):
            full_disk = isinstance(cause.orig, sqlite3.Error) and is_full(cause)
            if not full_disk:
                return f"the study's database no longer answers ({reason(cause)}); see to it"
    return None


def reason(error: BaseException) -> str:
    """Return the first line of what the database itself said, which SQLAlchemy and Optuna wrap."""
    cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)


def _code(error: IntegrityError) -> str | None:
    """Return the code of PostgreSQL's error, or of SQLite's."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
