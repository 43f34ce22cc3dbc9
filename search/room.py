"""Whether an error says that a disk is full, however the library that met it put it."""

import errno
from collections.abc import Iterator

FULL = {errno.ENOSPC, errno.EDQUOT}
WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded")


def is_full(error: BaseException | None) -> bool:
    """Also where the cause lies deeper in the chain: SQLAlchemy and Optuna wrap what SQLite says."""
    return any(
        getattr(cause, "errno", None) in FULL or any(words in str(cause) for words in WORDS) for cause in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
