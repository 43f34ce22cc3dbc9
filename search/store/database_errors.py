"""What a database itself said when it failed, under all that SQLAlchemy and Optuna wrap around it."""

import sqlite3

from sqlalchemy.exc import IntegrityError, OperationalError

from model.errors import causes, is_full

DELETED = "trials of it were deleted from outside"
FOREIGN_KEY = "23503"  # PostgreSQL's code for an error: what is written belongs to a row that is not there


class DeletedError(Exception):
    """Raised where a trial is no longer in the database that holds it."""


def why_lost(error: BaseException) -> str | None:
    """Return why the database of a study can't be used any longer; None if `error` has another cause.

    A full disk counts as another cause.
    """
    for cause in causes(error):
        foreign = isinstance(cause, IntegrityError) and getattr(cause.orig, "sqlstate", None) == FOREIGN_KEY
        if foreign or isinstance(cause, DeletedError):
            return DELETED
        if isinstance(cause, OperationalError):
            full_disk = isinstance(cause.orig, sqlite3.Error) and is_full(cause)
            if not full_disk:
                return reason(cause)
    return None


def reason(error: BaseException) -> str:
    """Return the first line of what the database itself said, which SQLAlchemy and Optuna wrap."""
    cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)
