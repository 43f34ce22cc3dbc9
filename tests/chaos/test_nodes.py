"""The machines of a cluster: one is lost in mid-search, one comes, one is taken, one does not see the run's folder."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.harness import (
    ROOT,
    descendants,
    driver,
    environment,
    epochs_lasting,
    kill,
    log_of,
    patched,
    ray_node,
    recorded,
    records,
    tiny,
    title,
    until,
)

pytestmark = pytest.mark.chaos
COMMON = ["--object-store-memory=200000000", "--disable-usage-stats"]
ONE_CPU = ["--num-cpus=1", *COMMON]
SECONDS = 6  # of training; its checkpoint is saved after a quarter, where it pauses and goes on at once


@contextmanager
def cluster(folder: Path, cpus: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the address of a head node with so many CPUs, and the environment that its cluster needs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Ray declares a silent node dead after half a minute; a test does not have to wait that long.
    health = {"period_ms": "500", "timeout_ms": "2000", "failure_threshold": "4", "initial_delay_ms": "0"}
    env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    env |= {f"RAY_health_check_{name}": value for name, value in health.items()}
    with tempfile.TemporaryDirectory(prefix="dt-", dir="/tmp", ignore_cleanup_errors=True) as short:
        words = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={short}", "--num-gpus=0"]
        with ray_node(folder / "ray.log", [*words, f"--num-cpus={cpus}", *COMMON], env):
            yield f"127.0.0.1:{port}", env


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    with cluster(tmp_path_factory.mktemp("head"), cpus=1) as found:
        yield found


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_the_trial_of_a_lost_node_goes_on_elsewhere(
    head: tuple[str, dict[str, str]],
    blow: signal.Signals,
    tmp_path: Path,
    tiny_root: Path,
    note: Callable[[str], None],
) -> None:
    """Run one trial on two nodes with a declared GPU each: the other GPU is held empty until the node is lost."""
    address, env = head
    epochs = epochs_lasting(SECONDS, tiny_root, tmp_path)
    text = tiny(trials=1, epochs=epochs, pruner="promote").replace("pruner", f"grace_epochs = {epochs // 4}\npruner")
    (tmp_path / "tiny.toml").write_text(text + "[resources]\ntrials_per_gpu = 1\n")
    run_dir = tmp_path / "runs" / "tiny"
    with ExitStack() as stack:
        words = [f"--address={address}", "--num-gpus=1", *ONE_CPU]
        with_gpu = {**env, "CUDA_VISIBLE_DEVICES": "0", **patched("declared_gpus")}
        nodes = [stack.enter_context(ray_node(tmp_path / f"{name}.log", words, with_gpu)) for name in ("2nd", "3rd")]
        words = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
        process = stack.enter_context(driver(tmp_path, *words, **env))
        until(lambda: recorded(run_dir) > epochs // 4 + 2)
        families = [[node.pid, *descendants(node.pid)] for node in nodes]
        [at_work] = [family for family in families if any("ImplicitFunc" in title(pid) for pid in family)]
        struck = max(epoch["clock"] for epoch in records(run_dir)[0].epochs)
        for pid in at_work:
            os.kill(pid, blow)
        assert process.wait(180) == 0, log_of(tmp_path)
        kill(at_work)  # a frozen one would not end when asked to
    assert log_of(tmp_path).splitlines()[1].startswith("3 machines, 3 CPUs, 2 GPUs")
    [record] = records(run_dir)
    assert (record.state, record.attributes.get("retries", 0), len(record.epochs)) == ("complete", 0, epochs)
    assert record.epochs[0]["clock"] < struck < record.epochs[-1]["clock"]  # not begun again
    note(f"node lost ({blow.name}): its trial moved to the other node and went on from its last checkpoint")


def test_a_search_that_lost_its_last_gpu_stops(
    head: tuple[str, dict[str, str]], tmp_path: Path, tiny_root: Path
) -> None:
    """Lose the only GPU; the head has none. With --resume the trials would go on there, on the CPU."""
    address, env = head
    (tmp_path / "tiny.toml").write_text(tiny(trials=1, epochs=9_999) + "[resources]\ntrials_per_gpu = 1\n")
    words = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
    nodes = [f"--address={address}", "--num-gpus=1", *ONE_CPU]
    with_gpu = {**env, "CUDA_VISIBLE_DEVICES": "0", **patched("declared_gpus")}
    with (
        ray_node(tmp_path / "2nd.log", nodes, with_gpu) as node,
        driver(tmp_path, *words, **env) as process,
    ):
        until(lambda: any(record.epochs for record in records(tmp_path / "runs" / "tiny")))
        kill([node.pid, *descendants(node.pid)])
        assert process.wait(60) == 1, log_of(tmp_path)
    [record] = records(tmp_path / "runs" / "tiny")
    assert record.state == "interrupted"
    said = log_of(tmp_path).splitlines()[-1]
    assert said.startswith("of 1 machines that are left none has 1 CPUs and a GPU, as its trials need; go on with: ")


def test_machines_that_come_are_waited_for_and_used(tmp_path: Path, tiny_root: Path) -> None:
    """As on a cluster that scales by itself: it has no CPU at first, then one, then two."""
    (tmp_path / "tiny.toml").write_text(tiny(trials=2, epochs=9_999))
    run_dir = tmp_path / "runs" / "tiny"
    with cluster(tmp_path, cpus=0) as (address, env), ExitStack() as stack:
        nodes = [f"--address={address}", "--num-gpus=0", *ONE_CPU]
        words = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
        process = stack.enter_context(driver(tmp_path, *words, **env))
        until(lambda: "the cluster has no CPUs yet: waiting for machines, up to 10 minutes" in log_of(tmp_path))
        stack.enter_context(ray_node(tmp_path / "2nd.log", nodes, env))
        until(lambda: [bool(record.epochs) for record in records(run_dir)] == [True])
        stack.enter_context(ray_node(tmp_path / "3rd.log", nodes, env))
        until(lambda: [bool(record.epochs) for record in records(run_dir)] == [True, True])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, log_of(tmp_path)


def test_a_second_search_on_what_the_first_has_taken_says_that_it_waits(
    head: tuple[str, dict[str, str]], tmp_path: Path, tiny_root: Path
) -> None:
    """Run two searches on one CPU: the second one says so, and begins once the first one has ended."""
    address, env = head
    with ExitStack() as stack:
        searches = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "tiny.toml").write_text(tiny(trials=1, epochs=9_999))
            words = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
            searches.append(stack.enter_context(driver(tmp_path / name, *words, **env)))
            if name == "first":
                until(lambda: recorded(tmp_path / "first" / "runs" / "tiny"))
        until(lambda: "waiting: no machine has 1 CPU free, as a trial needs; " in log_of(tmp_path / "second"))
        assert recorded(tmp_path / "second" / "runs" / "tiny") == 0
        searches[0].send_signal(signal.SIGINT)
        assert searches[0].wait(60) == 130, log_of(tmp_path / "first")
        until(lambda: recorded(tmp_path / "second" / "runs" / "tiny"))
        until(lambda: "the wait is over: trials run again" in log_of(tmp_path / "second"))
        searches[1].send_signal(signal.SIGINT)
        assert searches[1].wait(60) == 130, log_of(tmp_path / "second")
    assert "waiting" not in log_of(tmp_path / "first")


# What a worker imports, and the first folder that it could be found in.
CODE_OF_A_WORKER = """
import sys
from search.on_ray import environment
environment.set_environment(private=False)
import ray
from search.on_ray.cluster import connected
def look():
    import search
    return search.__file__
with connected(sys.argv[1], print):
    print(ray.get(ray.remote(look).remote()))
"""


def test_workers_of_a_cluster_run_the_code_of_the_driver(head: tuple[str, dict[str, str]]) -> None:
    """Whatever is installed on their machine: here it is this very tree, on PYTHONPATH too."""
    address, env = head
    line = [sys.executable, "-c", CODE_OF_A_WORKER, address]
    done = subprocess.run(line, cwd=ROOT, env=environment(**env), capture_output=True, text=True, timeout=120)
    assert "working_dir_files" in done.stdout, done.stdout + done.stderr


def test_a_machine_that_does_not_see_the_folder_of_the_run_is_named(
    head: tuple[str, dict[str, str]], tmp_path: Path, tiny_root: Path
) -> None:
    """Where it is not shared, trials would end without their checkpoints."""
    address, env = head
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("may not unshare a mount namespace here (root only)")
    (tmp_path / "tiny.toml").write_text(tiny(trials=1, epochs=1))
    (tmp_path / "runs").mkdir()
    hidden = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{tmp_path / "runs"}" && exec "$@"', "sh")
    with ray_node(tmp_path / "2nd.log", [f"--address={address}", *ONE_CPU], env, within=hidden):
        words = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
        with driver(tmp_path, *words, **env) as process:
            assert process.wait(120) == 2, log_of(tmp_path)
    said = log_of(tmp_path).splitlines()[-1]
    assert said.startswith(f"error: --out: host {socket.gethostname()} does not see "), said


def test_a_machine_that_can_not_save_is_named_and_no_trial_is_charged(
    head: tuple[str, dict[str, str]], tmp_path: Path, tiny_root: Path, note: Callable[[str], None]
) -> None:
    """Of two machines one raises ESTALE at each checkpoint, as with a stale mount."""
    address, env = head
    (tmp_path / "tiny.toml").write_text(tiny(trials=8, epochs=epochs_lasting(SECONDS, tiny_root, tmp_path)))
    run_dir = tmp_path / "runs" / "tiny"
    words = [f"--address={address}", "--num-gpus=0", *ONE_CPU]
    search = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
    with (
        ray_node(tmp_path / "2nd.log", words, {**env, **patched("stale")}),
        driver(tmp_path, *search, **env) as process,
    ):
        assert process.wait(300) == 0, log_of(tmp_path)
    said, host = log_of(tmp_path), socket.gethostname()
    assert [record.state for record in records(run_dir)] == ["complete"] * 8, said
    assert all(not record.attributes.get("retries") for record in records(run_dir))
    named = f"host {host} can't save a checkpoint ([Errno 116] Stale file handle"
    assert named in said
    assert "it can't save a checkpoint" in said or said.count(named) == 2  # the last lines name it once more
    note("a machine that could not save any checkpoint was named; its trials went elsewhere, and none was charged")


def test_a_machine_whose_torch_fails_and_a_gpu_that_torch_can_not_use_are_left_out(
    head: tuple[str, dict[str, str]], tmp_path: Path, tiny_root: Path, note: Callable[[str], None]
) -> None:
    """There is no CUDA here, so the declared GPU is one that torch can't use: its machine trains on the CPU."""
    address, env = head
    (tmp_path / "tiny.toml").write_text(tiny(trials=8, epochs=epochs_lasting(1, tiny_root, tmp_path)))
    run_dir = tmp_path / "runs" / "tiny"
    nodes = {"2nd": {**env, **patched("without_torch")}, "3rd": {**env, "CUDA_VISIBLE_DEVICES": "7"}}
    with ExitStack() as stack:
        for name, of_node in nodes.items():
            words = [f"--address={address}", f"--num-gpus={int(name == '3rd')}", *ONE_CPU]
            stack.enter_context(ray_node(tmp_path / f"{name}.log", words, of_node))
        search = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
        process = stack.enter_context(driver(tmp_path, *search, **env))
        assert process.wait(300) == 0, log_of(tmp_path)
    said, host = log_of(tmp_path), socket.gethostname()
    assert f"host {host} is left out: it can't use torch (ModuleNotFoundError: " in said
    assert f"GPU 7 of host {host} is left out: it can't be used by torch " in said
    assert "2 machines, 2 CPUs, no GPU: training on the CPU" in said
    assert [record.state for record in records(run_dir)] == ["complete"] * 8
    assert all(not record.attributes.get("retries") for record in records(run_dir))
    note("a machine whose torch failed, and a GPU that torch could not use, were left out and named")
