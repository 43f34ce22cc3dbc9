"""Whether an error says that a disk is full, however the library that met it put it."""

import errno

FULL = {errno.ENOSPC, errno.EDQUOT}
WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded")


def is_full(error: BaseException | None) -> bool:
    """Also where the cause lies deeper in the chain: SQLAlchemy and Optuna wrap what SQLite says."""
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(words in str(error) for words in WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
