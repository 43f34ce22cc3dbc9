"""Losing a machine: two Ray nodes, one of them killed or frozen in mid-search; its trial goes on with the other."""

import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import descendants, driver, log_of, ray_node, records, tiny, until

pytestmark = pytest.mark.chaos
COMMON = ["--num-cpus=1", "--num-gpus=0", "--object-store-memory=200000000", "--disable-usage-stats"]
EPOCHS = 160  # about 10 s: a state is saved on the way


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The head node's address, and the environment that its cluster needs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Ray declares a silent node dead after half a minute; a test need not wait as long.
    health = {"period_ms": "500", "timeout_ms": "2000", "failure_threshold": "4", "initial_delay_ms": "0"}
    env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    env |= {f"RAY_health_check_{name}": value for name, value in health.items()}
    log = tmp_path_factory.mktemp("head") / "ray.log"
    with tempfile.TemporaryDirectory(prefix="dt-", dir="/tmp", ignore_cleanup_errors=True) as short:
        words = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={short}", *COMMON]
        with ray_node(log, words, env):
            yield f"127.0.0.1:{port}", env


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_trials_of_a_lost_node_go_on_elsewhere(
    head: tuple[str, dict[str, str]],
    blow: signal.Signals,
    tmp_path: Path,
    tiny_root: Path,
    note: Callable[[str], None],
) -> None:
    address, env = head
    (tmp_path / "tiny.toml").write_text(tiny(trials=2, epochs=EPOCHS))
    run_dir = tmp_path / "runs" / "tiny"
    words = ["tiny.toml", "--address", address, "--data", str(tiny_root)]
    with (
        ray_node(tmp_path / "second.log", [f"--address={address}", *COMMON], env) as second,
        driver(tmp_path, *words, **env) as process,
    ):
        # Both nodes train, and both trials have a saved state to go on from.
        until(lambda: sum("saved_state" in record.attributes for record in records(run_dir)) >= 2)
        struck = max(epoch["clock"] for record in records(run_dir) for epoch in record.epochs)
        for pid in [second.pid, *descendants(second.pid)]:
            os.kill(pid, blow)
        assert process.wait(180) == 0, log_of(tmp_path)
    assert log_of(tmp_path).startswith("2 machines, 2 CPUs")
    found = records(run_dir)
    assert [record.state for record in found] == ["complete"] * 2
    moved = [record for record in found if record.attributes.get("retries")]
    assert moved
    for record in moved:
        assert record.epochs[0]["clock"] < struck < record.epochs[-1]["clock"]  # not begun again
    note(f"node lost ({blow.name}): {len(moved)} trial(s) moved to the other node and went on from their last states")
