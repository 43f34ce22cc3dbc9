"""What a database itself said when it failed, under all that SQLAlchemy and Optuna wrap around it."""

import sqlite3

from sqlalchemy.exc import OperationalError

from model.errors import causes, is_full


def why_lost(error: BaseException) -> str | None:
    """Return why the database of a study can't be used any longer; None if `error` has another cause.

    A full disk counts as another cause.
    """
    for cause in causes(error):
        if isinstance(cause, OperationalError):
            full_disk = isinstance(cause.orig, sqlite3.Error) and is_full(cause)
            if not full_disk:
                return reason(cause)
    return None


def reason(error: BaseException) -> str:
    """Return the first line of what the database itself said, which SQLAlchemy and Optuna wrap."""
    cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)
