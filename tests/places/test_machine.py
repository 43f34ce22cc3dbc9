"""CPUs and memory are counted as they may be used: by affinity, and by the cgroups of Slurm and of containers."""

import os
from pathlib import Path

import pytest

from model import machine
from model.machine import usable_cpus, usable_memory

PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def set_groups(monkeypatch: pytest.MonkeyPatch, folder: Path, membership: str, files: dict[str, str]) -> None:
    """Let this process be in cgroups of this membership, whose files hold these words; of 64 CPUs."""
    (folder / "membership").write_text(membership)
    for name, words in files.items():
        path = folder / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words + "\n")
    monkeypatch.setattr(machine, "MEMBERSHIP", folder / "membership")
    monkeypatch.setattr(machine, "CGROUPS", folder / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.parametrize(
    ("membership", "files", "cpus", "memory"),
    [
        ("0::/\n", {"cpu.max": "max 100000", "memory.max": "max"}, 64, PHYSICAL),
        ("0::/job/step\n", {"cpu.max": "max 100000", "job/cpu.max": "400000 100000"}, 4, PHYSICAL),
        ("0::/job/step\n", {"job/cpu.max": "400000 100000", "job/step/cpu.max": "150000 100000"}, 1, PHYSICAL),
        ("0::/job\n", {"job/cpu.max": "50000 100000", "job/memory.max": "1000000"}, 1, 1_000_000),
        ("0::/../outside\n", {"cpu.max": "200000 100000", "memory.max": "5000"}, 2, 5000),
        (  # version 1; within a container the path is that of the host, which is not to be seen
            "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "700000",
                "memory/docker/other/memory.limit_in_bytes": "7",
            },
            3,
            700_000,
        ),
        (
            "1:cpu:/slurm/job_7\n",
            {"cpu/slurm/job_7/cpu.cfs_quota_us": "-1", "cpu/slurm/job_7/cpu.cfs_period_us": "100000"},
            64,
            PHYSICAL,
        ),
        ("", {}, 64, PHYSICAL),
    ],
)
def test_the_least_limit_counts(
    membership: str, files: dict[str, str], cpus: int, memory: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_groups(monkeypatch, tmp_path, membership, files)
    assert (usable_cpus(), usable_memory()) == (cpus, memory)


def test_affinity_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_groups(monkeypatch, tmp_path, "0::/\n", {"cpu.max": "400000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert usable_cpus() == 2


def test_without_cgroups_all_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "MEMBERSHIP", tmp_path / "none")
    assert usable_cpus() == len(os.sched_getaffinity(0))
    assert usable_memory() == PHYSICAL


def test_gpus_are_counted_by_cuda_where_there_may_be_any(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    assert machine.usable_gpus() == 0
    (tmp_path / "nvidia0").touch()
    assert machine.usable_gpus() == 2
