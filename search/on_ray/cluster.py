"""The connection to Ray: a private one on this machine's loopback, or a cluster that the user started."""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from model.errors import ConfigError, is_full, summary
from search.on_ray import ray_internals
from search.on_ray.address import START, check_token
from search.on_ray.processes import Listener, end_descendants, listeners
from search.on_ray.watchdog import watching
from search.store.lock import is_live, run_lock

PREFIX = "ds-"
OBJECT_STORE_BYTES = 400 * 2**20  # the images of two data sets, and room
LAST_WORDS = 20  # seconds that a driver has for its report once Ray is gone
OnGone = Callable[[str], None]


@contextmanager
def connected(address: str | None, on_gone: OnGone) -> Iterator[threading.Event]:
    """Start a private Ray on this machine, or join the cluster at `address`; leave it at the end.

    A private one listens on loopback alone, without dashboard. A Ray that this process is connected to already is
    used as it is, and left running. Yields an event that is set when Ray itself is gone; then, after `on_gone`, this
    process ends: its main thread hangs within Ray, which would end the process by itself. Raises ConfigError.
    """
    if ray.is_initialized():
        yield threading.Event()
        return
    _remove_leftovers()
    temporary = tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")  # short: Ray puts sockets there, whose paths are limited
    with run_lock(Path(temporary)):
        try:
            _join(address) if address else _start(temporary)
            logging.getLogger("ray").setLevel(logging.CRITICAL)
            with watching(lambda missing: _leave(missing, on_gone, temporary, private=address is None)) as gone:
                yield gone
        finally:
            ray.shutdown()
            shutil.rmtree(temporary, ignore_errors=True)


def _start(temporary: str) -> None:
    """Start a private Ray whose files lie below `temporary`. Raises ConfigError."""
    ray_internals.silence_stdout()
    before, open_before = os.environ.get("TMPDIR"), listeners()
    # Ray opens its folder to all users of the machine; the one around it stays ours. TMPDIR is for the workers: what
    # one of them leaves when killed goes with this folder.
    os.environ |= {"RAY_TMPDIR": temporary, "TMPDIR": temporary}
    try:
        # "local" said outright, or RAY_ADDRESS in the environment would be taken for one.
        ray.init("local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **_quiet())
    except Exception as error:  # of a dozen types, where one of its processes is killed or has no room
        if is_full(error):
            raise
        raise ConfigError(
            f"Ray did not start ({summary(error, 160)}); type the same command again, with --resume"
        ) from error
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
    check_loopback(listeners() - open_before)


def check_loopback(opened: set[Listener]) -> None:
    """Raise ConfigError unless all of these sockets listen on this machine's loopback alone.

    A Ray that no longer knows RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER would listen on all interfaces, and say nothing.
    """
    if outside := sorted(f"{address}:{port}" for address, port in opened if not address.is_loopback):
        raise ConfigError(
            f"Ray {ray.__version__} listens beyond this machine ({', '.join(outside)}), against its settings, so the "
            "search ends; install the version of Ray that constraints.txt names"
        )


def _join(address: str) -> None:
    """Connect to the cluster at `address`. Raises ConfigError."""
    check_token(address)
    ray_internals.silence_stdout()
    try:
        ray.init(address=address, **_quiet())
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({summary(error, 160)}); {START}") from None


def _quiet() -> dict[str, Any]:
    return {"logging_level": logging.ERROR, "log_to_driver": False}


def _leave(missing: str, on_gone: OnGone, temporary: str, *, private: bool) -> None:
    """End this process, whose main thread may hang within Ray for good, after `on_gone`."""
    threading.Timer(LAST_WORDS, os._exit, (1,)).start()  # should even that hang
    try:
        on_gone(missing)
    finally:
        if private:
            end_descendants()
        shutil.rmtree(temporary, ignore_errors=True)
        os._exit(1)


def _remove_leftovers() -> None:
    """Remove the folders of earlier drivers of this user that were killed."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = (folder / "lock").stat()
            if lock.st_uid == os.getuid() and time.time() - lock.st_mtime > 60 and not is_live(folder):
                shutil.rmtree(folder, ignore_errors=True)
