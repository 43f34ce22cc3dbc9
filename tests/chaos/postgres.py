"""A real PostgreSQL for tests: Debian's package, started and stopped on a socket of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from search.experiment import SHARED


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of our own, which listens only on a socket in its folder."""

    programs: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"{SHARED}postgres@/postgres?host={self.folder}"

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs; as nobody if we are root, which PostgreSQL refuses."""
        nobody = pwd.getpwnam("nobody")
        other: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        line = [self.programs / program, "--pgdata", self.folder / "data", *words]
        subprocess.run(line, cwd=self.folder, check=True, timeout=60, **(other if os.getuid() == 0 else {}))

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "start", "--silent", "--wait", "--log", f"{self.folder}/log", "--options", options)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "--silent", "--wait", "--mode", "immediate")


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server while the body runs. Skips the test if PostgreSQL is not installed."""
    folders = [os.environ["PATH"], *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which("pg_ctl", path=os.pathsep.join(folders))
    if found is None:
        pytest.skip("PostgreSQL is not installed; on Debian or Ubuntu: apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: the paths of sockets are limited
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
    server = Server(Path(found).resolve().parent, folder)
    try:
        server.run(
            "initdb",
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
            "--no-locale",
            "--encoding=UTF8",
        )
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
