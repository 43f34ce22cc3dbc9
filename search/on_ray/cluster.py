"""The connection to Ray: to a private one on this machine's loopback, or to a cluster that the user started."""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import ignore_patterns

import ray
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError

from model.errors import ConfigError, complain, summary
from model.interruptions import PERIOD, check
from search.on_ray import ray_internals
from search.on_ray.address import START, check_token
from search.on_ray.environment import for_workers
from search.on_ray.private import PrivateRay, private_ray
from search.on_ray.slots import cluster_nodes
from search.on_ray.watchdog import watching

SCALE_UP = 600  # seconds
LAST_WORDS = 20  # seconds that a driver has for its report once Ray is gone
OnGone = Callable[[str], None]


@contextmanager
def connected(
    address: str | None, on_gone: OnGone, begun: PrivateRay | None = None, warn: Callable[[str], None] = complain
) -> Iterator[threading.Event]:
    """Stay connected to Ray while the body runs: to a private one, or to the cluster at `address`. Raises ConfigError.

    The private one is `begun`, if it is starting already. If this process is connected to a Ray, that one is used and
    left running. Yields an event that is set when Ray itself is gone. `on_gone` is called then, with what is missing,
    and this process ends: its main thread may hang within Ray, which would end it anyway.
    """
    if begun is None and ray.is_initialized():
        yield threading.Event()
        return
    with nullcontext(begun) if address or begun else private_ray() as private:
        if private is None:
            _join(str(address))
        else:
            private.wait_for_start()
            ray_internals.use_started_workers()
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        try:
            if private is None:
                _wait_for_machines(warn)
            with watching(lambda missing: _leave(missing, on_gone, private)) as gone:
                yield gone
        finally:
            if private is None:
                ray.shutdown()


def _join(address: str) -> None:
    """Connect to the cluster at `address`. Raises ConfigError.

    Its workers get the code that runs here, and start in its folder, and some variables: the cluster's own are those
    that it was started with.
    """
    check_token(address)
    ray_internals.silence_stdout()
    try:
        with tempfile.TemporaryDirectory() as code:
            for name in ("model", "search"):
                shutil.copytree(ray_internals.PACKAGES / name, Path(code, name), ignore=ignore_patterns("__pycache__"))
            environment = {"working_dir": code, "env_vars": for_workers()}
            ray.init(address=address, runtime_env=environment, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({summary(error, 160)}); {START}") from None


def _wait_for_machines(warn: Callable[[str], None]) -> None:
    """Wait until a machine has CPUs: a cluster that scales by itself may begin with none. Raises ConfigError."""
    if any(node.cpus for node in cluster_nodes()):
        return
    warn(f"the cluster has no CPUs yet: waiting for machines, up to {SCALE_UP // 60} minutes")
    until = time.monotonic() + SCALE_UP
    request_resources(num_cpus=1)  # for an autoscaler, where there is one
    try:
        while not any(node.cpus for node in cluster_nodes()):
            if time.monotonic() > until:
                none = f"no machine with CPUs came within {SCALE_UP // 60} minutes"
                raise ConfigError(f"--address: {none}; start one (docs/cluster.md)")
            check()
            time.sleep(PERIOD)
    finally:
        request_resources(num_cpus=0)  # or the machine would stay for good


def _leave(missing: str, on_gone: OnGone, private: PrivateRay | None) -> None:
    """Call `on_gone`, then end this process, whose main thread may hang within Ray for good."""
    threading.Timer(LAST_WORDS, os._exit, (1,)).start()  # in case `on_gone` hangs too
    try:
        on_gone(missing)
    finally:
        if private:
            private.abandon()
        os._exit(1)
