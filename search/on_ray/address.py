"""The checks of a cluster's address: a cluster answers there, and admits those who have its token and nobody else.

These run before Ray's environment is set, so nothing here may import Ray when this file is imported.
"""

import os
import socket
import subprocess
import sys

from model.errors import ConfigError

START = "start it there with: ray start --head (docs/cluster.md)"


def check_address(address: str | None) -> None:
    """Raise ConfigError unless `address` is None or a HOST:PORT that answers; Ray itself would try for minutes."""
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
    """Raise ConfigError unless the cluster at `address` admits this process, and nobody without a token.

    Ray itself would try for long, or fail trial by trial.
    """
    if os.environ["RAY_AUTH_MODE"] == "token" and _admits(address, RAY_AUTH_MODE="disabled"):
        raise ConfigError(
            f"--address {address}: this cluster asks for no token, so anyone in reach can run code there; start it "
            "with RAY_AUTH_MODE=token (docs/cluster.md), or set RAY_AUTH_MODE=disabled to use it all the same"
        )
    if not _admits(address):
        raise ConfigError(
            f"--address {address}: the cluster does not let this process in; "
            "have RAY_AUTH_MODE=token and the file ~/.ray/auth_token here as on its head (docs/cluster.md)"
        )


def _admits(address: str, **environment: str) -> bool:
    """Return whether the cluster admits a process with these variables. Raises ConfigError if no cluster answers.

    A process of its own asks: Ray reads its environment only once, and ends a process that has no token at all.
    """
    from search.on_ray.ray_internals import KNOCK  # imports Ray, see above

    knock = [sys.executable, "-c", KNOCK, address]
    try:
        return not subprocess.run(knock, env={**os.environ, **environment}, capture_output=True, timeout=20).returncode
    except subprocess.TimeoutExpired:
        raise ConfigError(f"--address {address}: no Ray cluster answers (20 s of silence); {START}") from None
