"""The connection to Ray: a private one on this machine's loopback, or a cluster that the user started."""

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from model.errors import ConfigError, is_full
from search.on_ray.address import START, check_token
from search.on_ray.watchdog import watching
from search.store.lock import is_live, run_lock

PREFIX = "ds-"
OWN_TOKEN = secrets.token_hex(32)  # of this process: Ray reads its environment once
OBJECT_STORE_BYTES = 400 * 2**20  # the images of two data sets, and room


@contextmanager
def connected(address: str | None, on_gone: Callable[[str], None] | None = None) -> Iterator[threading.Event]:
    """Start a private Ray on this machine, or join the cluster at `address`; leave it at the end.

    A private one listens on loopback alone, without dashboard. A Ray that this process is connected to already is
    used as it is, and left running. Yields an event that is set when Ray itself is gone; then, after `on_gone`, this
    process ends, as within Ray nothing can end tidily any more. Raises ConfigError.
    """
    quiet_environment(private=address is None)
    import ray

    if ray.is_initialized():
        yield threading.Event()
        return
    _remove_leftovers()
    temporary = tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")  # short: Ray puts sockets there, whose paths are limited
    with run_lock(Path(temporary)):
        yield from _connected(address, temporary, on_gone)


def _connected(address: str | None, temporary: str, on_gone: Callable[[str], None] | None) -> Iterator[threading.Event]:
    import ray

    try:
        _init(address, temporary)

        def leave(missing: str) -> None:
            threading.Timer(20, os._exit, (1,)).start()  # should even that hang
            try:
                if on_gone:
                    on_gone(missing)
            finally:
                if address is None:
                    _end_descendants()
                shutil.rmtree(temporary, ignore_errors=True)
                os._exit(1)

        with watching(leave) as gone:
            yield gone
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


def _init(address: str | None, temporary: str) -> None:
    import ray
    from ray._private import worker
    from ray.exceptions import RayError

    # Deaths of workers are told by the bridge, with the trial's number; Ray prints its own pages of advice.
    worker.print_to_stdstream = lambda *_arguments, **_named: None
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        # Said outright, or RAY_ADDRESS in the environment would be taken for one.
        # Ray opens its folder to all users of the machine; the one around it stays ours.
        within = f"{temporary}/ray"
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = temporary  # for the workers: what one of them leaves when killed goes with this folder
        quiet |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_temp_dir": within}
        try:
            ray.init("local", **quiet)
        except Exception as error:  # of a dozen types, where one of its processes is killed or has no room
            if is_full(error):
                raise
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(f"Ray did not start ({reason}); type the same command again, with --resume") from error
        finally:
            os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
        return
    check_token(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(f"--address {address}: no Ray cluster answers ({reason}); {START}") from None


def _end_descendants() -> None:
    """Kill what is left of a private Ray: all of it descends from this process."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may end meanwhile
            parents[int(status.parent.name)] = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
    ours = {os.getpid()}
    while found := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= found
    for pid in ours - {os.getpid()}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _remove_leftovers() -> None:
    """Remove the folders of earlier drivers of this user that were killed."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = (folder / "lock").stat()
            if lock.st_uid == os.getuid() and time.time() - lock.st_mtime > 60 and not is_live(folder):
                shutil.rmtree(folder, ignore_errors=True)


def quiet_environment(private: bool) -> None:
    """Ray's settings that exist as environment variables only; what the user has set stays."""
    settings = {
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "100000",  # Ray's own snapshots are never read back
        "TUNE_WARN_THRESHOLD_S": "1000",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
        "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # or Ray tries such a trial again, besides the ledger
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "GLOG_minloglevel": "3",
        # Threads that wait for each other sleep: spinning ones slow a busy machine down up to ten times.
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONWARNINGS": "ignore",
        "RAY_AUTH_MODE": "token",
    }
    if private:
        settings["RAY_gcs_rpc_server_reconnect_timeout_s"] = "20"  # how long agents of a killed driver's Ray linger
        os.environ["RAY_AUTH_TOKEN"] = OWN_TOKEN  # Ray's own lies in a file, and a cluster's is known to others
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    from ray._private import ray_constants
    from ray._raylet import Config  # type: ignore[attr-defined]

    # Both were settled when ray was imported, which the bridge did before anyone knew of an address.
    if private:
        os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False  # bind to 127.0.0.1 only
    Config.initialize("")
