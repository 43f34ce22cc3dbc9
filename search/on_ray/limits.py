"""What Ray and PyTorch need of Python and of the limits of a process: with less they abort, or wait for good."""

import os
import resource
import sys
from dataclasses import dataclass

from model.errors import ConfigError


@dataclass(frozen=True)
class Need:
    """The least that a search on two CPUs gets by with, by measurement; `option` is that of the shell's `ulimit`."""

    limit: int
    option: str
    least: int
    unit: int
    what: str


NEEDS = (
    Need(resource.RLIMIT_AS, "-v", 6_000_000, 1024, "KiB of address space"),
    Need(resource.RLIMIT_NPROC, "-u", 400, 1, "processes and threads"),
    Need(resource.RLIMIT_NOFILE, "-n", 256, 1, "open files"),
)


def check_limits() -> None:
    """Raise ConfigError where Ray can't run in this process, whatever the search is."""
    if sys.flags.optimize > 1:
        raise ConfigError("python -OO: Ray needs the docstrings that it leaves out; drop -OO, or PYTHONOPTIMIZE=2")
    for need in NEEDS:
        soft, _ = resource.getrlimit(need.limit)
        unlimited = soft == resource.RLIM_INFINITY or (need.limit == resource.RLIMIT_NPROC and os.geteuid() == 0)
        if not unlimited and soft < need.least * need.unit:
            raise ConfigError(
                f"ulimit {need.option} {soft // need.unit}: Ray and PyTorch need at least {need.least:,} {need.what}; "
                f"raise it (ulimit {need.option} unlimited), or have whoever administers this machine raise it"
            )
