"""The files for Slurm and Kubernetes in docs/, as far as a machine without either can check them.

`tests/chaos/test_slurm.py` has a real Slurm.
"""

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml

from tests.harness import ROOT

# Programs that note their words, and a search that ends at SIGTERM as ours does, with a code of its own.
NOTE = (
    f'#!{sys.executable}\nimport os, sys\nprint(os.path.basename(sys.argv[0]), *sys.argv[1:], file=open("said", "a"))\n'
)
SEARCH = """
import signal, time
def end(*_):
    print("ended tidily", file=open("said", "a"))
    raise SystemExit(130)
signal.signal(signal.SIGTERM, end)
print("ready", file=open("said", "a"))
if "short" not in sys.argv:
    time.sleep(60)
"""

# A host of Debian: its own name leads to its loopback.
HOSTNAME = """#!/bin/sh
[ "$1" = -I ] && echo "10.1.2.3 fd00::1 172.17.0.1" || echo "::1 127.0.1.1"
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """Return the environment of the first of three nodes, with programs in place of Slurm's, Ray's and ours."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    programs = {"ray": NOTE, "srun": NOTE, "python": NOTE + SEARCH, "hostname": HOSTNAME}
    for name, text in programs.items():
        program = tmp_path / ".venv" / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    job = {"SUBMIT_DIR": str(tmp_path), "JOB_ID": "1234567", "NNODES": "3", "CPUS_PER_TASK": "8"}
    return {**os.environ, "SLURMD_NODENAME": "a", **{f"SLURM_{name}": value for name, value in job.items()}}


def test_the_slurm_script_starts_a_head_other_nodes_and_the_search(tmp_path: Path, slurm: dict[str, str]) -> None:
    line = ["bash", ROOT / "docs" / "slurm.sh", "short"]
    assert subprocess.run(line, cwd=tmp_path, env=slurm, timeout=60, check=False).returncode == 0
    said = sorted((tmp_path / "said").read_text().splitlines())
    head, others, search = (next(line for line in said if line.startswith(name)) for name in ("ray", "srun", "python"))
    ours = "--num-cpus=8 --disable-usage-stats"
    assert head == f"ray start --head --node-ip-address=10.1.2.3 --port=34567 --include-dashboard=false {ours}"
    placed = "--nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=8 --exclude=a"
    assert others == f"srun {placed} ray start --address=10.1.2.3:34567 {ours} --block"
    assert search == "python -m search run short --address 10.1.2.3:34567 --resume"


def test_the_time_limit_of_slurm_ends_the_search_tidily(tmp_path: Path, slurm: dict[str, str]) -> None:
    with subprocess.Popen(["bash", ROOT / "docs" / "slurm.sh", "long"], cwd=tmp_path, env=slurm) as script:
        while "ready" not in ((tmp_path / "said").read_text() if (tmp_path / "said").exists() else ""):
            assert script.poll() is None
        script.terminate()
        assert script.wait(30) == 130
    assert "ended tidily" in (tmp_path / "said").read_text().splitlines()  # srun may say its words later


def test_the_manifest_of_kubernetes_starts_a_command_of_ours_where_all_pods_see_its_folder() -> None:
    job = yaml.safe_load((ROOT / "docs" / "kuberay.yaml").read_text())
    cluster = job["spec"]["rayClusterSpec"]
    assert (job["apiVersion"], job["kind"], cluster["authOptions"]) == ("ray.io/v1", "RayJob", {"mode": "token"})
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()
    assert "runtimeEnvYAML" not in job["spec"]  # Ray refuses a second working_dir
    python, *words = shlex.split(job["spec"]["entrypoint"])
    assert python == "python"
    assert words[:3] == ["-m", "search", "run"]
    from typer.testing import CliRunner

    from search.cli import app

    options = CliRunner().invoke(app, ["run", "--help"]).output
    assert all(word in options for word in words if word.startswith("--"))
    assert (ROOT / words[3]).exists()
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        [volume] = group["template"]["spec"]["volumes"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/shared"}]
    assert [word for word in words if word.startswith("/")] == ["/shared/data", "/shared/runs"]


def test_the_image_of_kubernetes_has_what_kuberay_asks_for() -> None:
    """It submits by Ray's Jobs API, which a search does without, and its probes call wget."""
    [lines] = re.findall(r"```dockerfile\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL)
    steps = dict(line.split(" ", 1) for line in lines.splitlines() if not line.startswith("RUN"))
    manifest = yaml.safe_load((ROOT / "docs" / "kuberay.yaml").read_text())
    [head] = manifest["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert head["workingDir"] == steps["WORKDIR"]
    [tools, packages] = [shlex.split(line) for line in lines.splitlines() if line.startswith("RUN")]
    assert "wget" in tools
    assert packages[-4:] == ["-c", "constraints.txt", ".", "ray[default]"]
    assert "default" in (metadata("ray").get_all("Provides-Extra") or [])
    job_server = [line for line in metadata("ray").get_all("Requires-Dist") or [] if 'extra == "default"' in line]
    assert any(line.startswith("aiohttp") for line in job_server)
