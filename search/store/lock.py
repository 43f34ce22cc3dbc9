"""The lock of a run's folder, which keeps a second driver out: take it, and see whether anyone holds it."""

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
    """Hold the run's lock while the body runs; the kernel frees it if this process is killed.

    The lock's file names its holder's process and host. Raises ConfigError, naming them, if another process holds the
    lock, and if the file system of `run_dir` has no locks.
    """
    from filelock import FileLock, Timeout

    path = run_dir / "lock"
    before = _holder(path)  # older versions of filelock may empty the file when they try the lock
    lock = FileLock(path, timeout=2)
    try:
        with warnings.catch_warnings(action="ignore"):  # the error below says what it warns of
            held = lock.acquire()
        # Without locks in the kernel filelock may rely on a file's existence, which outlives a killed driver.
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
        raise _without_locks(run_dir, error) from None
    with held:
        path.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield


def is_live(run_dir: Path) -> bool:
    """Return whether a driver holds the run's lock at this moment. Needs no right to write."""
    try:
        with (run_dir / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _without_locks(run_dir: Path, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or error
    return ConfigError(
        f"{run_dir}: its file system has no locks ({reason}), so nothing would keep a second search out; "
        "choose an --out on a disk of this machine"
    )


def _holder(path: Path) -> str:
    """Return what the last holder of the lock wrote about itself; "" if that can't be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
