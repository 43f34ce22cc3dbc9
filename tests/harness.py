"""Real processes for tests: the command, nodes of Ray, their descendants, and a study watched from outside."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from model.data import load_dataset
from model.train import fit, start
from search.experiment import load_experiment
from search.space import complete
from search.store import location
from search.store.records import TrialRecord, read_trials
from search.store.study import SEARCH

ROOT = Path(__file__).parents[1]
SET_BY_SEARCHES = ("RAY_", "TUNE_", "OMP_", "GOMP_", "MALLOC_", "PYTHONWARNINGS")
TINY = """
[data]
validation_images = 100
[search]
trials = {trials}
sampler = "{sampler}"
pruner = "{pruner}"
[hyperparameters]
epochs = {epochs}
conv1_width = 2
conv2_width = 2
hidden_width = 16
pool = "early"
batch_size = 16
schedule = "constant"
dropout1 = {{ low = 0.0, high = 0.3 }}
[confirm]
top = 0
"""


def tiny(trials: int, epochs: int, sampler: str = "random", pruner: str = "none") -> str:
    """Return a configuration whose epochs take a few hundredths of a second, and each change the weights."""
    return TINY.format(trials=trials, epochs=epochs, sampler=sampler, pruner=pruner)


def epochs_lasting(seconds: float, data: Path, tmp_path: Path) -> int:
    """Return how many epochs of a `tiny` trial take so many seconds here, in one thread of an idle machine."""
    (tmp_path / "measure.toml").write_text(tiny(trials=1, epochs=100))
    space = load_experiment(tmp_path / "measure.toml").space
    hyperparameters = complete(space, {"dropout1": 0.1})
    state = start(hyperparameters, seed=0, number=0, device=torch.device("cpu"))
    images = load_dataset("mnist", data, validation_images=100)
    with torch_threads(1):
        fastest = min(metrics.seconds for metrics in fit(state, images))
    return math.ceil(seconds / fastest)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads in the body."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def environment(**more: str) -> dict[str, str]:
    """Return the variables for a new process: ours without what a search sets, without GPUs, and `more`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(SET_BY_SEARCHES)}
    return {**kept, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", **more}


def patched(*patches: str) -> dict[str, str]:
    """Return the variables by which processes of a cluster get these patches (tests/patched/sitecustomize.py)."""
    folders = [str(ROOT / "tests" / "patched"), str(ROOT)]
    return {"PATCHED": ",".join(patches), "PYTHONPATH": os.pathsep.join(folders)}


def command(here: Path, *words: str, module: str = "search", **more: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` with these words to its end, in the folder `here`."""
    line = [sys.executable, "-m", module, *words]
    return subprocess.run(line, cwd=here, env=environment(**more), capture_output=True, text=True, timeout=300)


@contextmanager
def driver(here: Path, *words: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `python -m search` in the background, in `here`; kill it and its descendants after the body."""
    line = [sys.executable, "-m", "search", *words]
    with (here / "driver.log").open("a") as log:
        process = subprocess.Popen(line, cwd=here, env=environment(**more), stdout=log, stderr=log, text=True)
    try:
        yield process
    finally:
        family = descendants(process.pid)
        process.kill()
        process.wait()
        kill(family)


@contextmanager
def ray_node(
    log: Path, words: list[str], env: dict[str, str], within: tuple[str, ...] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `ray start --block`, by the program `within`, in a process group of its own; end all of it after the body."""
    ray = Path(sys.executable).parent / "ray"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*within, ray, "start", "--block", *words],
            env=environment(**env),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(lambda: "Ray runtime started" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        family = descendants(process.pid)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        kill([process.pid, *family])
        process.wait()


def descendants(pid: int) -> list[int]:
    """Return the ids of all living processes that descend from `pid`."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = status.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(status.parent.name)] = int(parent)
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def title(pid: int) -> str:
    """Return the command line of a process; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def records(run_dir: Path, *stages: str) -> list[TrialRecord]:
    """Return the trials of a run's search, or of the named stages; none before the run has begun."""
    wanted = (stages or (SEARCH,)) if location.is_run(run_dir) else ()
    return [record for stage in wanted for record in read_trials(run_dir, stage)]


def recorded(run_dir: Path, *stages: str) -> int:
    """Return the number of epochs that a run's study holds of its search, or of the named stages."""
    return sum(len(record.epochs) for record in records(run_dir, *stages))


def until(condition: Callable[[], object], seconds: float = 180) -> None:
    """Wait until `condition` is true; fail the test after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def log_of(here: Path) -> str:
    return (here / "driver.log").read_text()
