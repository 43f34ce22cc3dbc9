"""Whether an error says that a disk is full, however the library that met it put it."""

from collections.abc import Iterator

from model.errors import FULL

# SQLite without room for its index of the log, of 32 KiB, else says only "disk I/O error".
SQLITE = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}
WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded")


def is_full(error: BaseException | None) -> bool:
    """Also where the cause lies deeper in the chain: SQLAlchemy and Optuna wrap what SQLite says."""
    return any(
        getattr(cause, "errno", None) in FULL
        or getattr(cause, "sqlite_errorname", None) in SQLITE
        or any(words in str(cause) for words in WORDS)
        for cause in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
