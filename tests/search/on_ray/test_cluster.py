"""A private Ray: it stays on this machine, or the search ends; and it ends when the driver does, not before."""

import json
import os
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.on_ray import private
from search.on_ray.environment import OF_WORKERS
from search.on_ray.private import check_loopback
from search.on_ray.processes import listeners
from tests.harness import ROOT, environment

# As if a new Ray no longer knew the setting that keeps it on the loopback.
BEYOND = """
import os
from search.on_ray import environment
environment.PRIVATE["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "1"
environment.set_environment(private=True)
from model.errors import ConfigError
from search.on_ray.cluster import connected
from tests.harness import descendants
try:
    with connected(None, print):
        print("connected")
except ConfigError as error:
    print(error)
import time; time.sleep(3)
print("left:", descendants(os.getpid()))
"""


def test_a_ray_that_listens_beyond_this_machine_ends_the_search() -> None:
    line = [sys.executable, "-c", BEYOND]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    said, left = done.stdout.splitlines()
    assert "listens beyond this machine (" in said, done.stderr
    assert said.endswith("install the version of Ray that constraints.txt names")
    assert left == "left: []"


# As systemd and Slurm end a job: all its processes are told at once.
SUPERVISED = """
import os, signal, sys
from search.on_ray import environment
environment.set_environment(private=True)
from search.on_ray.cluster import connected
from tests.harness import descendants
import ray
asked = []
with connected(None, print):
    signal.signal(signal.SIGTERM, lambda *_: asked.append("SIGTERM"))
    answer = ray.remote(lambda: "trained" if "torch" in sys.modules else "a worker imports only now").remote
    ray.get(answer())
    family = [*descendants(os.getpid()), os.getpid()]
    for pid in family:
        os.kill(pid, signal.SIGTERM)
    print(*asked, len(family) > 4, ray.get(answer()))
print("left:", descendants(os.getpid()))
"""


def test_a_sigterm_to_all_is_the_drivers_alone() -> None:
    line = [sys.executable, "-c", SUPERVISED]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["SIGTERM True trained", "left: []"]), done.stderr


OF_A_TRAINING = """
import json
from search.on_ray.environment import for_workers, set_environment
set_environment(private=False)
print(json.dumps(for_workers()))
"""


@pytest.mark.parametrize(
    ("by_user", "left_out"), [({"MALLOC_ARENA_MAX": "4"}, set()), ({"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT"})]
)
def test_workers_get_what_a_training_needs_but_for_what_the_user_has_set(
    by_user: dict[str, str], left_out: set[str]
) -> None:
    line = [sys.executable, "-c", OF_A_TRAINING]
    done = subprocess.run(line, cwd=ROOT, env=environment(**by_user), capture_output=True, timeout=60)
    assert json.loads(done.stdout) == {
        **{name: value for name, value in OF_WORKERS.items() if name not in left_out},
        **by_user,
    }


def test_loopback_addresses_pass_and_others_are_named() -> None:
    check_loopback({(ip_address("127.0.0.1"), 1), (ip_address("::1"), 2)})
    for address in ("0.0.0.0", "::", "10.0.0.7"):
        with pytest.raises(ConfigError, match=f"{address}:8265"):
            check_loopback({(ip_address("127.0.0.1"), 1), (ip_address(address), 8265)})


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_sockets_of_this_process_are_found(family: socket.AddressFamily, host: str) -> None:
    before = listeners()
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    with server:
        assert listeners() - before == {(ip_address(host), server.getsockname()[1])}
    assert listeners() == before


def test_what_killed_drivers_left_is_not_deleted_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "PREFIX", f"ds-of-{tmp_path.name}-{os.getpid()}-")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "lock").touch()
    os.utime(tmp_path / "mine" / "lock", (0, 0))
    link = Path("/tmp") / f"{private.PREFIX}x"
    link.symlink_to(tmp_path / "mine")
    try:
        private._remove_leftovers()
        assert (tmp_path / "mine" / "lock").exists()
    finally:
        link.unlink()
