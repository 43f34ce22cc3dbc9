"""The probe of a cluster's machines, before trials run there: whether they see the run's folder, and their versions."""

import platform
import socket
from importlib import metadata
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from model.errors import ConfigError, summary
from search.on_ray.slots import Node

PACKAGES = ("torch", "numpy")  # what the numbers of a training depend on
WAIT = 120  # seconds; a first worker of this job on each machine fetches the code and starts
REMEDY = "(docs/cluster.md)"


def probe(run_dir: Path, nodes: list[Node]) -> None:
    """Raise ConfigError unless each machine that runs trials sees the run's folder, may write, and has our versions."""
    marker = run_dir.absolute() / f".probe-{ray.get_runtime_context().get_job_id()}"
    marker.touch()
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    there = [NodeAffinitySchedulingStrategy(node.id, soft=False) for node in nodes if node.cpus]
    try:
        asked = [look.options(scheduling_strategy=on).remote(str(marker), PACKAGES) for on in there]
        faults = [_fault(found, run_dir) for found in ray.get(asked, timeout=WAIT)]
    except GetTimeoutError:
        raise ConfigError(f"a machine of the cluster did not answer within {WAIT} s; see to it {REMEDY}") from None
    except RayError as error:
        raise ConfigError(f"a machine of the cluster can't run trials ({summary(error, 300)}); {REMEDY}") from None
    finally:
        marker.unlink(missing_ok=True)
    if faulty := [fault for fault in faults if fault]:
        raise ConfigError(faulty[0])


def _look(marker: str, packages: tuple[str, ...]) -> dict[str, Any]:
    """Return this machine's name, its versions, and whether it sees the driver's marker and may write beside it."""
    host, path = socket.gethostname(), Path(marker)
    found: dict[str, Any] = {"host": host, "sees": path.exists(), "versions": _versions(packages), "refusal": None}
    try:
        written = path.with_name(f"{path.name}-{host}")
        written.touch()
        written.unlink()
    except OSError as error:
        found["refusal"] = error.strerror
    return found


def _versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _fault(found: dict[str, Any], run_dir: Path) -> str | None:
    """Return what is wrong with a machine, and the remedy; None if nothing is."""
    host = f"host {found['host']}"
    if not found["sees"]:
        return f"--out: {host} does not see {run_dir}; share one folder at the same path on all hosts {REMEDY}"
    if found["refusal"]:
        return f"--out: {host} can't write to {run_dir} ({found['refusal']}); see to its permissions there"
    for name, here in _versions(PACKAGES).items():
        there = found["versions"][name]
        if there != here:
            has = f"has {name} {there}" if there else f"lacks {name}"
            return f"{host} {has}, and this one {here}; install the same versions on all hosts {REMEDY}"
    return None
