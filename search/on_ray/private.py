"""A private Ray on this machine, started in the background: it takes seconds, most of which are waiting."""

import errno
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ray

from model.errors import ConfigError, is_full, leave_output, summary
from model.interruptions import INTERRUPTED, ends_at_once, farewell, leave, result_of
from model.machine import usable_cpus, usable_gpus
from search.on_ray import ray_internals
from search.on_ray.processes import Listener, descendants, end, end_descendants, listeners
from search.store.lock import is_live, run_lock

PREFIX = "ds-"
BUSY = "the machine may be too busy: type the same command again, with --resume"
OBJECT_STORE_BYTES = 400 * 2**20  # holds the images of two data sets with room to spare
REFUSED_THREADS = (os.strerror(errno.EAGAIN), "can't start new thread")
START_LIMIT = 180.0  # seconds; eight are usual


@dataclass(frozen=True)
class PrivateRay:
    """A private Ray: `started` is done once it has started, with its error if it did not; `temporary` has its files."""

    started: "Future[None]"
    temporary: str

    def wait_for_start(self) -> None:
        """Wait until Ray has started. Raises ConfigError."""
        try:
            result_of(self.started, START_LIMIT)
        except TimeoutError:
            raise ConfigError(f"Ray did not start within {START_LIMIT:.0f} s; {BUSY}") from None

    def kill(self) -> None:
        """Kill Ray's processes and delete its files, whatever it is at. It can't be used, or ended tidily, any more."""
        end_descendants()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def abandon(self) -> None:
        """Kill Ray as this process ends. Its threads here would print tracebacks about that."""
        leave_output(2)
        self.kill()


@contextmanager
def private_ray(concurrent: Callable[[], int] = lambda: 0) -> Iterator[PrivateRay]:
    """Start a private Ray in the background, for `concurrent` trials at once, and end it after the body.

    It listens on loopback alone and has no dashboard. Raises ConfigError where there is no place for its files.
    """
    _remove_leftovers()
    temporary = _temporary_folder()
    tempfile.gettempdir()  # once for the whole process, before TMPDIR changes for a while
    private, over = PrivateRay(Future(), temporary), threading.Event()

    def start() -> None:
        try:
            _start(temporary, concurrent)
            private.started.set_result(None)
        except BaseException as error:
            private.started.set_exception(error)
        over.wait()  # the kernel kills Ray's processes when the thread that started them ends

    with run_lock(Path(temporary)), farewell(private.abandon):
        threading.Thread(target=start, daemon=True).start()  # a start that never ends keeps nobody waiting
        try:
            yield private
        finally:
            _end(private)
            over.set()


def _end(private: PrivateRay) -> None:
    """End Ray; one that has not yet started is waited for, unless the whole process ends at once."""
    with suppress(Exception, KeyboardInterrupt):
        if not ends_at_once():
            result_of(private.started, START_LIMIT)
    if private.started.done():
        family = descendants()
        ray.shutdown()
        end(family)
        shutil.rmtree(private.temporary, ignore_errors=True)
    elif ends_at_once():
        leave(INTERRUPTED)  # `ray.init` can't be broken off
    else:
        private.kill()


def _start(temporary: str, concurrent: Callable[[], int]) -> None:
    """Start a private Ray that keeps its files below `temporary`. Raises ConfigError.

    It starts a worker for each CPU at once, which imports what it needs before its trial is there. That is left to the
    trials where they are fewer than half as many: each worker takes half a gigabyte of memory.
    """
    ray_internals.silence_stdout()
    open_before = listeners()
    os.environ["RAY_TMPDIR"] = temporary  # Ray opens its own folder to all of the machine; this one stays closed
    for_ray = {
        "TMPDIR": temporary,  # what a killed worker leaves is deleted with this folder
        "RAY_preload_python_modules": "search.on_ray.preloaded",
        "RAY_prestart_worker_first_driver": str(int(usable_cpus() <= 2 * concurrent())),
    }
    before = {name: os.environ.get(name) for name in for_ray}
    os.environ |= for_ray
    # Its processes go on when all are told to end; the driver ends them, after itself. SIGHUP tells all that the
    # terminal is gone, and systemd, Slurm and many a supervisor send SIGTERM to all at once.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    try:
        # Without "local" Ray would join the cluster that RAY_ADDRESS names.
        ray.init("local", **_resources(), include_dashboard=False, **ray_internals.of_the_driver())
        ray_internals.end_without_signals()
    except Exception as error:  # a dozen types if one of its processes is killed or finds the disk full
        if is_full(error):
            raise
        raise ConfigError(f"Ray did not start ({summary(error, 1000)}); {_remedy(error)}") from error
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    check_loopback(listeners() - open_before)


def check_loopback(opened: set[Listener]) -> None:
    """Raise ConfigError unless all of these sockets listen on this machine's loopback alone.

    A Ray that no longer knows RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER would listen on all interfaces without a word.
    """
    outside = sorted(f"{address}:{port}" for address, port in opened if not address.is_loopback)
    if outside:
        raise ConfigError(
            f"Ray {ray.__version__} listens beyond this machine ({', '.join(outside)}), against its settings, so the "
            "search ends; install the version of Ray that constraints.txt names"
        )


def _resources() -> dict[str, int]:
    """Return what a private Ray may use of this machine. It would count CPUs and GPUs by itself, but too many.

    A CPU counts where affinity and quotas allot it, a GPU where CUDA sees it: an id of -1 ends the list of the visible.
    """
    return {
        "num_cpus": usable_cpus(),
        "num_gpus": usable_gpus(),
        "object_store_memory": OBJECT_STORE_BYTES,
    }


def _remedy(error: Exception) -> str:
    """Return what helps against an error of Ray's start, which says itself what is wrong where it knows."""
    if isinstance(error, PermissionError | FileNotFoundError | FileExistsError):
        return "see to the permissions of /tmp, where Ray keeps its files, then go on with --resume"
    if isinstance(error, ValueError | ImportError):  # a setting (RAY_...) or an installation that Ray refuses
        return "correct that, then go on with --resume"
    if any(words in str(error) for words in REFUSED_THREADS):
        return (
            "let this user have more processes and threads (ulimit -u; docker --pids-limit), then go on with --resume"
        )
    return BUSY


def _temporary_folder() -> str:
    """Return a new folder for Ray's files. Raises ConfigError if there can be none."""
    try:
        return tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")  # short: Ray puts sockets there, whose paths are limited
    except OSError as error:
        if is_full(error):
            raise
        remedy = "give this machine a /tmp that you may write to (docker run --tmpfs /tmp)"
        raise ConfigError(f"/tmp: Ray keeps its files there ({error.strerror}); {remedy}") from None


def _remove_leftovers() -> None:
    """Delete the temporary folders of this user's earlier drivers that were killed."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = (folder / "lock").stat()
            if lock.st_uid == os.getuid() and time.time() - lock.st_mtime > 60 and not is_live(folder):
                shutil.rmtree(folder, ignore_errors=True)
