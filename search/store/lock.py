"""One driver per run folder: the lock it holds, who holds it, and whether anyone does."""

import errno
import fcntl
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import ConfigError

WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Held by a driver for as long as it lives; the kernel frees it even when the driver is killed.

    The file names process and host for whoever finds it taken. Raises ConfigError, naming them, or where the file
    system of `run_dir` has no locks.
    """
    from filelock import FileLock, Timeout

    path = run_dir / "lock"
    before = _holder(path)  # trying may empty the file with older versions of filelock
    lock = FileLock(path, timeout=2)
    try:
        with warnings.catch_warnings(action="ignore"):  # what it warns of is told below
            held = lock.acquire()
        # Where the kernel has no locks filelock may make do with a file's existence, which outlives a killed driver.
        if type(lock) is not FileLock:
            lock.release()
            raise NotImplementedError("Function not implemented")
    except Timeout:
        holder = _holder(path) or before or "process unknown"
        raise ConfigError(
            f"{run_dir}: another search is running here ({holder}); wait for it or choose another --name"
        ) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{run_dir}: its file system has no locks ({reason}), so nothing would keep a second search out; "
            "choose an --out on a disk of this machine"
        ) from None
    with held:
        path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield


def is_live(run_dir: Path) -> bool:
    """Whether a driver holds the run at this moment. Needs no right to write."""
    try:
        with (run_dir / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _holder(path: Path) -> str:
    """What the last holder wrote of itself; nothing where it can't be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
