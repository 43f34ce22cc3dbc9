"""A real Slurm for tests: Debian's package, with several nodes on this machine, in a folder of its own."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import environment, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "sinfo")
# A node has two CPUs and four GPUs, whatever is there: its GPUs are files, and all nodes share the same two CPUs.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n.spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 Gres=gpu:4\n"
GPUS = "Name=gpu File=/dev/null,/dev/zero,/dev/full,/dev/random\n"


@dataclass(frozen=True)
class Slurm:
    """A Slurm of our own; `variables` lead its programs to it."""

    folder: Path
    variables: dict[str, str]

    def run(self, here: Path, *words: str) -> str:
        """Run one of Slurm's programs in the folder `here`, and return what it prints."""
        outside = {key: value for key, value in environment().items() if not key.startswith(("SLURM", "SBATCH"))}
        done = subprocess.run(
            words, cwd=here, env=outside | self.variables, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def job(self, number: str) -> dict[str, str]:
        """Return what the controller says of a job, by its own keys."""
        said = self.run(self.folder, "scontrol", "--oneliner", "show", "job", number)
        return dict(word.split("=", 1) for word in said.split() if "=" in word)


@contextmanager
def running_slurm(nodes: int) -> Iterator[Slurm]:
    """Run a Slurm with this number of nodes while the body runs. Skips the test if Slurm is not installed."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    if missing := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        pytest.skip(f"{missing[0]} is not installed; on Debian or Ubuntu: apt install slurm-wlm munge")
    folder = Path(tempfile.mkdtemp(prefix="sl-", dir="/tmp"))  # short: the paths of sockets are limited
    folder.chmod(0o755)  # munge asks for it
    variables = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": path}
    names = [f"n{index}" for index in range(1, nodes + 1)]
    _configure(folder, names)
    try:
        with ExitStack() as stack:
            for line in (_munged(folder), ["slurmctld", "-D"], *(["slurmd", "-D", "-N", name] for name in names)):
                stack.enter_context(_daemon(folder, line, variables))
                if line[0] == "munged":
                    until(lambda: (folder / "munge" / "socket").exists(), 30)
            slurm = Slurm(folder, variables)
            until(lambda: slurm.run(folder, "sinfo", "--noheader", "--format=%D %t").strip() == f"{nodes} idle", 60)
            yield slurm
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, names: list[str]) -> None:
    """Write Slurm's configuration, and a key of its own for munge."""
    controller, *ports = _free_ports(1 + len(names))
    host, user = socket.gethostname(), pwd.getpwuid(os.getuid()).pw_name
    text = CONFIGURATION.format(host=host, controller=controller, folder=folder, user=user)
    text += "".join(NODE.format(name=name, host=host, port=port) for name, port in zip(names, ports, strict=True))
    (folder / "slurm.conf").write_text(text + "PartitionName=all Nodes=ALL Default=YES State=UP\n")
    (folder / "gres.conf").write_text(GPUS)
    (folder / "state").mkdir()
    (folder / "munge").mkdir(mode=0o755)
    (folder / "munge" / "key").touch(mode=0o600)
    (folder / "munge" / "key").write_bytes(secrets.token_bytes(128))


def _munged(folder: Path) -> list[str]:
    files = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
    return ["munged", "--foreground", *(f"--{option}={folder}/munge/{name}" for option, name in files.items())]


@contextmanager
def _daemon(folder: Path, line: list[str], variables: dict[str, str]) -> Iterator[None]:
    """Run one of Slurm's daemons while the body runs."""
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(line, cwd=folder, env=environment(**variables), stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
