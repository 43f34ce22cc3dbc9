"""Nobody gets in while a search runs: seen in the kernel's own tables of sockets, and tried at Ray's own ports."""

import re
import shutil
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.on_ray import address
from search.on_ray.ray_internals import KNOCK
from tests.harness import command, descendants, driver, environment, log_of, records, tiny, title, until

WRONG = "b" * 64
LISTENING, UNCONNECTED = "0A", "07"  # states of TCP and of UDP sockets, as the kernel writes them
MODE = """
from search.on_ray.environment import set_environment
set_environment(private=False)
from ray._raylet import get_authentication_mode
print(get_authentication_mode())
"""


@dataclass(frozen=True)
class Socket:
    """A network socket that accepts what others send, and the process that holds it."""

    protocol: str
    address: IPv4Address | IPv6Address
    port: int
    holder: str  # the whole command line of the process

    @property
    def program(self) -> str:
        return Path(self.holder.partition(" ")[0]).name


@dataclass(frozen=True)
class Running:
    """A search that is training at this moment, on a private Ray."""

    here: Path
    family: list[int]  # the driver, and all that descends from it

    @property
    def sockets(self) -> list[Socket]:
        holders, found = inodes(self.family), []
        for protocol in ("tcp", "tcp6", "udp", "udp6"):
            for line in (Path("/proc/net") / protocol).read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if inode in holders and state == (LISTENING if protocol.startswith("tcp") else UNCONNECTED):
                    found.append(Socket(protocol, *address_of(local), title(holders[inode])))
        return found

    @property
    def unix_sockets(self) -> list[str]:
        """Return the paths of the Unix sockets that listen; an abstract one, open to all, begins with @."""
        holders, found = inodes(self.family), []
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            _, _, _, flags, _, _, inode, *path = line.split()
            if inode in holders and int(flags, 16) & 0x10000:
                found += path
        return found

    def door(self, word: str) -> str:
        """Return the HOST:PORT on which the program with `word` in its name listens."""
        return next(f"127.0.0.1:{socket.port}" for socket in self.sockets if word in socket.program)

    @property
    def token(self) -> str:
        raylet = next(pid for pid in self.family if "raylet/raylet" in title(pid))
        settings = Path(f"/proc/{raylet}/environ").read_text().split("\0")
        return next(line.partition("=")[2] for line in settings if line.startswith("RAY_AUTH_TOKEN="))


def inodes(pids: list[int]) -> dict[str, int]:
    """Return the sockets that these processes hold, as inode -> one of its holders."""
    found = {}
    for pid in pids:
        with suppress(OSError):  # the process may end meanwhile
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                if socket := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
                    found[socket[1]] = pid
    return found


def address_of(local: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Return the address and port in the kernel's `0100007F:1F90`: words of 32 bits in the machine's byte order."""
    host, _, port = local.partition(":")
    words = [int(host[start : start + 8], 16) for start in range(0, len(host), 8)]
    address = ip_address(struct.pack(f"={len(words)}I", *words))
    return getattr(address, "ipv4_mapped", None) or address, int(port, 16)


@pytest.fixture(scope="module")
def running(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    here = tmp_path_factory.mktemp("running")
    (here / "tiny.toml").write_text(tiny(trials=2, epochs=9_999))
    # The environment has a token that others may know, such as a cluster's; it must not be used.
    with driver(here, "tiny.toml", "--data", str(tiny_root), HOME=str(here), RAY_AUTH_TOKEN=WRONG) as process:
        until(lambda: process.poll() is not None or any(trial.epochs for trial in records(here / "runs" / "tiny")))
        assert process.poll() is None, log_of(here)
        found = Running(here, [process.pid, *descendants(process.pid)])
        folders = {Path(*Path(path).parts[:3]) for path in found.unix_sockets}
        yield found
    for folder in folders:  # what a killed driver leaves
        shutil.rmtree(folder)


def test_nothing_listens_beyond_loopback(running: Running) -> None:
    found = running.sockets
    assert {"gcs_server", "raylet"} <= {socket.program for socket in found}, found
    assert [socket for socket in found if not socket.address.is_loopback] == []


def test_no_other_user_can_reach_the_unix_sockets(running: Running) -> None:
    found = running.unix_sockets
    assert found
    for path in found:
        folder = Path(*Path(path).parts[:3])
        assert (str(folder)[:8], folder.stat().st_mode & 0o777) == ("/tmp/ds-", 0o700)


def test_the_dashboard_is_off(running: Running) -> None:
    """Find no socket of the dashboard, whose process Ray starts all the same."""
    assert [socket for socket in running.sockets if socket.port == 8265 or "dashboard.py" in socket.holder] == []


def knock(address: str, **settings: str) -> str:
    """Return what Ray's control process replies to a process with these settings; "" if it admits it."""
    line = [sys.executable, "-c", KNOCK, address]
    done = subprocess.run(line, env=environment(**settings), capture_output=True, text=True, timeout=60)
    return done.stderr if done.returncode else ""


def test_a_process_without_the_token_is_refused(running: Running) -> None:
    door = running.door("gcs_server")
    assert "InvalidAuthToken" in knock(door, RAY_AUTH_MODE="disabled")
    assert "InvalidAuthToken" in knock(door, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=WRONG)
    assert knock(door, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=running.token) == ""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://{running.door('RuntimeEnv')}/get_or_create_runtime_env", b"", timeout=10)


def test_the_token_is_new_for_each_search_and_readable_nowhere(running: Running) -> None:
    assert re.fullmatch("[0-9a-f]{64}", running.token)
    assert not (running.here / ".ray").exists()  # Ray itself would write it here, for all to read
    assert not any(running.token in title(pid) for pid in running.family)


def test_a_cluster_that_refuses_the_token_is_reported_in_one_line(running: Running, tiny_root: Path) -> None:
    words = ["tiny.toml", "--name", "other", "--address", running.door("gcs_server"), "--data", str(tiny_root)]
    done = command(running.here, *words, RAY_AUTH_TOKEN=WRONG)
    assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (2, 1, 1)
    assert "the cluster does not let this process in; have RAY_AUTH_MODE=token" in done.stderr


@pytest.mark.parametrize(
    ("mode", "admits", "said"),
    [
        ("token", {"disabled", "token"}, "this cluster asks for no token"),
        ("token", {"token"}, None),
        ("token", set(), "the cluster does not let this process in"),
        ("disabled", {"disabled"}, None),  # the user asked for it
        ("disabled", {"token"}, "the cluster does not let this process in"),
    ],
)
def test_a_cluster_open_to_all_is_refused_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, mode: str, admits: set[str], said: str | None
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    monkeypatch.setattr(address, "_admits", lambda _, RAY_AUTH_MODE=mode: RAY_AUTH_MODE in admits)  # noqa: N803
    if said is None:
        address.check_token("head:1")
    else:
        with pytest.raises(ConfigError, match=f"--address head:1: {said}"):
            address.check_token("head:1")


def test_a_driver_that_joins_a_cluster_uses_a_token() -> None:
    done = subprocess.run([sys.executable, "-c", MODE], env=environment(), capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
