"""The address of a cluster: whether one is there, and whether it lets in who has its token and nobody else."""

import os
import socket
import subprocess
import sys

from model.errors import ConfigError

START = "start it there with: ray start --head (docs/cluster.md)"


def check_address(address: str | None) -> None:
    """Refuse what can't be a cluster's address, or where nothing listens: Ray itself would try for minutes.

    Raises ConfigError.
    """
    if address is None:
        return
    if "://" in address:
        raise ConfigError(f"--address {address}: a driver behind ray:// would keep the study elsewhere; use HOST:PORT")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"--address {address}: must be HOST:PORT, as in 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise ConfigError(f"--address {address}: no Ray cluster answers ({error.strerror or error}); {START}") from None


def check_token(address: str) -> None:
    """Refuse a cluster that is open to all, or not open to us: Ray itself would try for long, or fail trial by trial.

    Raises ConfigError.
    """
    if os.environ["RAY_AUTH_MODE"] == "token" and _admits(address, RAY_AUTH_MODE="disabled"):
        raise ConfigError(
            f"--address {address}: this cluster asks for no token, so whoever reaches it can run code there; start it "
            "with RAY_AUTH_MODE=token (docs/cluster.md), or set RAY_AUTH_MODE=disabled to use it all the same"
        )
    if not _admits(address):
        raise ConfigError(
            f"--address {address}: the cluster does not let this process in; "
            "have RAY_AUTH_MODE=token and the file ~/.ray/auth_token here as on its head (docs/cluster.md)"
        )


def _admits(address: str, **environment: str) -> bool:
    """Whether the cluster lets in who comes with this environment. Raises ConfigError where none answers.

    Asked in a process of its own: Ray looks at its environment once, and ends a process that has no token at all.
    """
    from search.on_ray.ray_internals import KNOCK

    knock = [sys.executable, "-c", KNOCK, address]
    try:
        return not subprocess.run(knock, env={**os.environ, **environment}, capture_output=True, timeout=20).returncode
    except subprocess.TimeoutExpired:
        raise ConfigError(f"--address {address}: no Ray cluster answers (20 s of silence); {START}") from None
