"""The connection to Ray: to a private one on this machine's loopback, or to a cluster that the user started."""

import logging
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError

from model.errors import ConfigError, is_full, summary
from model.machine import usable_cpus
from search.on_ray import ray_internals
from search.on_ray.address import START, check_token
from search.on_ray.processes import Listener, descendants, end, listeners
from search.on_ray.watchdog import watching
from search.store.lock import is_live, run_lock

PREFIX = "ds-"
OBJECT_STORE_BYTES = 400 * 2**20  # holds the images of two data sets with room to spare
# Ray puts the driver's working directory first on its workers' path, and a model.py of the user's there would take the
# place of ours. So Ray starts where our packages are.
PACKAGES = Path(__file__).parents[2]
LAST_WORDS = 20  # seconds that a driver has for its report once Ray is gone
OnGone = Callable[[str], None]


@contextmanager
def connected(address: str | None, on_gone: OnGone) -> Iterator[threading.Event]:
    """Stay connected to Ray while the body runs: to a private one, or to the cluster at `address`. Raises ConfigError.

    A private Ray listens on loopback alone and has no dashboard. If this process is connected to a Ray already, that
    one is used and left running. Yields an event that is set when Ray itself is gone. `on_gone` is called then, with
    what is missing, and this process ends: its main thread may hang within Ray, which would end it anyway.
    """
    if ray.is_initialized():
        yield threading.Event()
        return
    _remove_leftovers()
    temporary = _temporary_folder()
    with run_lock(Path(temporary)):
        try:
            _join(address) if address else _start(temporary)
            logging.getLogger("ray").setLevel(logging.CRITICAL)
            with watching(lambda missing: _leave(missing, on_gone, temporary, private=address is None)) as gone:
                yield gone
        finally:
            family = descendants() if address is None else set()
            ray.shutdown()
            end(family)
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary_folder() -> str:
    """Return a new folder for Ray's files. Raises ConfigError if there can be none."""
    try:
        return tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")  # short: Ray puts sockets there, whose paths are limited
    except OSError as error:
        if is_full(error):
            raise
        remedy = "give this machine a /tmp that you may write to (docker run --tmpfs /tmp)"
        raise ConfigError(f"/tmp: Ray keeps its files there ({error.strerror}); {remedy}") from None


def _start(temporary: str) -> None:
    """Start a private Ray that keeps its files below `temporary`. Raises ConfigError."""
    ray_internals.silence_stdout()
    before, open_before = os.environ.get("TMPDIR"), listeners()
    # Ray opens its own folder to all users of the machine; the one around it stays closed. TMPDIR is for the workers:
    # the files that a killed one leaves are deleted with this folder.
    os.environ |= {"RAY_TMPDIR": temporary, "TMPDIR": temporary}
    try:
        # Without "local" Ray would join the cluster that RAY_ADDRESS names.
        with chdir(PACKAGES), _signals_kept_away():
            ray.init("local", **_resources(), include_dashboard=False, **_quiet())
        ray_internals.end_without_signals()
    except Exception as error:  # a dozen types if one of its processes is killed or finds the disk full
        if is_full(error):
            raise
        raise ConfigError(f"Ray did not start ({summary(error, 1000)}); {_remedy(error)}") from error
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
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


def _join(address: str) -> None:
    """Connect to the cluster at `address`. Raises ConfigError."""
    check_token(address)
    ray_internals.silence_stdout()
    try:
        with chdir(PACKAGES):
            ray.init(address=address, **_quiet())
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({summary(error, 160)}); {START}") from None


@contextmanager
def _signals_kept_away() -> Iterator[None]:
    """Let the processes that the body starts go on when all are told to end: the driver ends them, after itself.

    SIGHUP tells all that the terminal is gone. systemd, Slurm and many a supervisor send SIGTERM to all at once.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    in_main_thread = threading.current_thread() is threading.main_thread()
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGHUP, hang_up)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _resources() -> dict[str, int]:
    """Return what a private Ray may use of this machine. It would count CPUs and GPUs by itself, but too many.

    A CPU counts where affinity and quotas allot it, a GPU where CUDA sees it: an id of -1 ends the list of the visible.
    """
    return {
        "num_cpus": usable_cpus(),
        "num_gpus": torch.cuda.device_count(),
        "object_store_memory": OBJECT_STORE_BYTES,
    }


def _remedy(error: Exception) -> str:
    """Return what helps against an error of Ray's start, which says itself what is wrong where it knows."""
    if isinstance(error, PermissionError | FileNotFoundError | FileExistsError):
        return "see to the permissions of /tmp, where Ray keeps its files, then go on with --resume"
    if isinstance(error, ValueError | ImportError):  # a setting (RAY_...) or an installation that Ray refuses
        return "correct that, then go on with --resume"
    return "the machine may be too busy: type the same command again, with --resume"


def _quiet() -> dict[str, Any]:
    return {"logging_level": logging.ERROR, "log_to_driver": False}


def _leave(missing: str, on_gone: OnGone, temporary: str, *, private: bool) -> None:
    """Call `on_gone`, then end this process, whose main thread may hang within Ray for good."""
    threading.Timer(LAST_WORDS, os._exit, (1,)).start()  # in case `on_gone` hangs too
    try:
        on_gone(missing)
    finally:
        if private:
            end(descendants())
        shutil.rmtree(temporary, ignore_errors=True)
        os._exit(1)


def _remove_leftovers() -> None:
    """Delete the temporary folders of this user's earlier drivers that were killed."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = (folder / "lock").stat()
            if lock.st_uid == os.getuid() and time.time() - lock.st_mtime > 60 and not is_live(folder):
                shutil.rmtree(folder, ignore_errors=True)
