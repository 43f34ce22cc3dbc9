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
import sqlalchemy

from search.experiment import SHARED
from tests.harness import until


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of our own, which listens only on a socket in its folder."""

    programs: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"{SHARED}postgres@/postgres?host={self.folder}"

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs."""
        line = [self.programs / program, "--pgdata", self.folder / "data", *words]
        subprocess.run(line, cwd=self.folder, check=True, timeout=60, **as_nobody())

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "start", "--silent", "--wait", "--log", f"{self.folder}/log", "--options", options)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "--silent", "--wait", "--mode", "immediate")

    def ask(self, statement: str) -> list[Any]:
        """Execute a statement on a connection of its own; return the first column of its rows, if it has any."""
        engine = sqlalchemy.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return list(result.scalars()) if result.returns_rows else []


def as_nobody() -> dict[str, Any]:
    """Return how to start a program that refuses to be root: as nobody if we are root."""
    nobody = pwd.getpwnam("nobody")
    other: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return other if os.getuid() == 0 else {}


@contextmanager
def pooler(server: Server, mode: str) -> Iterator[str]:
    """Yield the URL of a PgBouncer in front of a server, with this `pool_mode`. Skips the test where it is absent."""
    program = shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:
        pytest.skip("PgBouncer is not installed; on Debian or Ubuntu: apt install pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="pb-", dir="/tmp"))
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
    settings = {"pool_mode": mode, "auth_type": "any", "unix_socket_dir": folder, "listen_port": 6432}
    text = "\n".join(f"{name} = {value}" for name, value in settings.items())
    backend = f"postgres = host={server.folder} dbname=postgres user=postgres"
    (folder / "pgbouncer.ini").write_text(f"[databases]\n{backend}\n[pgbouncer]\n{text}\n")
    process = subprocess.Popen([program, "--quiet", "pgbouncer.ini"], cwd=folder, **as_nobody())
    try:
        until((folder / ".s.PGSQL.6432").exists)
        yield f"{SHARED}postgres@/postgres?host={folder}&port=6432"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


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
