"""docs/slurm.sh on a real Slurm, with several nodes on this machine; without Debian's slurm-wlm the test is skipped."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.slurm import Slurm, running_slurm
from tests.harness import ROOT, kill, recorded, records, tiny, title, until

pytestmark = pytest.mark.chaos
NODES = 3  # the fewest where one too many on a node shows: with two of them srun has a single node to put them on
# Ray notes where it starts: the node, how many CPUs it may use, its GPUs. The nodes are one machine, so each is given a
# folder for its sockets: two that start at once would choose the same names. No program uses the GPUs.
PROGRAMS = {
    "python": """#!/bin/sh
CUDA_VISIBLE_DEVICES= exec {found} "$@"
""",
    "ray": """#!/bin/sh
echo "$SLURMD_NODENAME $(nproc) $CUDA_VISIBLE_DEVICES" >> {clone}/started
CUDA_VISIBLE_DEVICES= exec {found} "$@" --temp-dir={short}/$SLURMD_NODENAME
""",
}


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with running_slurm(NODES) as slurm:
        yield slurm


@pytest.fixture
def clone(slurm: Slurm, tmp_path: Path) -> Iterator[Path]:
    """Return a folder to submit from, with the programs that the script finds there. Ends what Ray has left of a job.

    Slurm ends all processes of a job where it tracks them by cgroups, which may not be made everywhere.
    """
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name, text in PROGRAMS.items():
        program = tmp_path / ".venv" / "bin" / name
        program.write_text(text.format(found=Path(sys.executable).parent / name, clone=tmp_path, short=slurm.folder))
        program.chmod(0o755)
    yield tmp_path
    kill(list(_environments(slurm)))


def test_slurm_starts_ray_once_a_node_and_a_search_that_it_ends_goes_on(
    slurm: Slurm, clone: Path, tiny_root: Path
) -> None:
    """End the first job as its time limit would, once all nodes are there; go on with it on a single one."""
    (clone / "tiny.toml").write_text(tiny(trials=9_999, epochs=10))
    first = _submit(slurm, clone, tiny_root, NODES)
    until(lambda: len(_nodes_with_ray(slurm)) == NODES and recorded(clone / "runs" / "tiny"))
    started = sorted((clone / "started").read_text().splitlines())
    cpus = min(2, len(os.sched_getaffinity(0)))
    assert started == [f"n{node} {cpus} 0,1,2,3" for node in range(1, NODES + 1)]
    slurm.run(clone, "scancel", "--batch", "--signal=TERM", first)
    assert _end(slurm, first)["ExitCode"] == "130:0", _log(clone, first)
    kept = len(records(clone / "runs" / "tiny"))
    second = _submit(slurm, clone, tiny_root, 1, "--trials", str(kept))
    assert _end(slurm, second)["ExitCode"] == "0:0", _log(clone, second)
    assert [record.state for record in records(clone / "runs" / "tiny")] == ["complete"] * kept


def _submit(slurm: Slurm, clone: Path, data: Path, nodes: int, *words: str) -> str:
    """Submit the script as it is, on `nodes` nodes of two CPUs; return the number of the job."""
    options = ["--parsable", f"--nodes={nodes}", "--cpus-per-task=2", "--output=%j.log"]
    search = [str(ROOT / "docs" / "slurm.sh"), "tiny.toml", "--data", str(data), *words]
    return slurm.run(clone, "sbatch", *options, *search).strip()


def _end(slurm: Slurm, job: str) -> dict[str, str]:
    """Wait until a job is over, and return what Slurm says of it."""
    until(lambda: slurm.job(job)["JobState"] in {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
    return slurm.job(job)


def _log(clone: Path, job: str) -> str:
    return (clone / f"{job}.log").read_text()


def _environments(slurm: Slurm) -> dict[int, dict[str, str]]:
    """Return the environments of all processes that a job of this Slurm has started, by their ids."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pairs = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            if environment.get("SLURM_CONF") == slurm.variables["SLURM_CONF"] and "SLURM_JOB_ID" in environment:
                found[int(process.name)] = environment
    return found


def _nodes_with_ray(slurm: Slurm) -> set[str]:
    """Return the nodes on which a raylet runs."""
    jobs = _environments(slurm)
    return {jobs[pid]["SLURMD_NODENAME"] for pid in jobs if title(pid).split(" ")[0].endswith("/raylet")}
