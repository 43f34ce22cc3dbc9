"""A full disk: the search stops in order, its study stays readable, and with room it goes on without charging a trial.

The disk is a tmpfs of a few megabytes. To mount it takes root, or a user namespace in which the test is root.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from analysis.tables import trial_table
from tests.harness import command, records, tiny

pytestmark = pytest.mark.chaos
SIZE = 16 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_costs_no_trial(
    small_disk: Path, tiny_root: Path, tmp_path: Path, note: Callable[[str], None]
) -> None:
    """Give the disk room for no trial at first, then for a part of the search, then for all."""
    (tmp_path / "tiny.toml").write_text(tiny(trials=6, epochs=27) + "[resources]\ncpus_per_trial = 2\n")
    ballast, run_dir = small_disk / "ballast", small_disk / "tiny"
    words = ["tiny.toml", "--out", str(small_disk), "--data", str(tiny_root), "--resume"]
    for room in (180_000, 1_500_000):
        ballast.write_bytes(b"\1" * (SIZE - room))
        stopped = command(tmp_path, *words)
        said = stopped.stdout + stopped.stderr
        assert stopped.returncode in (1, 2), said
        assert "Traceback" not in said
        assert "free some" in said
        before = records(run_dir)
        assert {record.state for record in before} <= {"complete", "pruned", "interrupted", "waiting"}
    finished = [record for record in before if record.state in ("complete", "pruned")]
    assert finished
    ballast.unlink()
    resumed = command(tmp_path, *words)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    after = records(run_dir)
    assert not any("retries" in record.attributes for record in after)
    assert [record.number for record in after] == list(range(6))
    assert {record.state for record in after} <= {"complete", "pruned"}
    assert [after[record.number] for record in finished] == finished
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert len(trial_table(run_dir)) == 6  # not one byte is free
    stopped = command(tmp_path, *words, "--trials", "7")
    assert stopped.returncode == 2, stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith("error: no room left on a disk ("), stopped.stderr
    assert "Traceback" not in stopped.stderr
    note(f"disk full: stopped with {len(finished)} of 6 trials finished, resumed with room, none lost")
