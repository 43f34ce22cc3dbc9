"""What this process may use of its machine: CPUs, GPUs and memory, as taskset, Slurm and containers allot them."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
DEVICES = Path("/dev")


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use: the least that affinity or a cgroup's quota allows."""
    known = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    allowed = len(known)
    for group in _groups("cpu"):
        # Version 2 holds both numbers in one file, version 1 in two; "max" or -1 stands for no limit.
        limit = _numbers(group / "cpu.max") or [
            *_numbers(group / "cpu.cfs_quota_us"),
            *_numbers(group / "cpu.cfs_period_us"),
        ]
        if len(limit) == 2 and limit[0] > 0:
            allowed = min(allowed, limit[0] // limit[1])
    return max(allowed, 1)


def usable_memory() -> int:
    """Return the bytes of memory that this process may use, with all others of its cgroup: the least limit on it."""
    allowed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for group in _groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # of version 2 and 1
            allowed = min([allowed, *_numbers(group / name)])
    return allowed


def usable_gpus() -> int:
    """Return the number of GPUs that CUDA lets this process see: an id of -1 ends the list of the visible."""
    if not any(DEVICES.glob("nvidia[0-9]*")) and not (DEVICES / "dxg").exists():
        return 0  # without the two seconds that torch takes to be imported
    import torch

    return torch.cuda.device_count()


def _groups(controller: str) -> Iterator[Path]:
    """Yield the cgroups whose limits hold for this process, its own and those around it; none where there are none.

    Within a container its own may not be visible; then the outermost one stands for it.
    """
    try:
        lines = MEMBERSHIP.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        places = (CGROUPS / controllers, CGROUPS / controller) if controllers else (CGROUPS / "unified", CGROUPS)
        root = next((place for place in places if place.is_dir()), None)
        if root is not None:
            own = root / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(root))


def _numbers(path: Path) -> list[int]:
    """Return the numbers in a cgroup's file; none where it has no limit, or is not there."""
    try:
        return [int(word) for word in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []
