"""SIGKILL at random moments to the driver, a worker, the raylet, the GCS or all of Ray: nothing finished is ever lost.

CHAOS_KILLS is their number. The search goes on after each; if it has ended it gets more trials.
"""

import random
import shlex
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from model.data import load_dataset
from model.train import fit, start
from search.space import complete
from search.store import checkpoints, location
from search.store.records import TrialRecord
from search.store.resolved import load_resolved
from search.store.study import SEARCH, open_study
from search.trials.attempt import RETRIES
from tests.harness import (
    descendants,
    driver,
    environment,
    epochs_lasting,
    kill,
    log_of,
    records,
    tiny,
    title,
    torch_threads,
    until,
)

pytestmark = pytest.mark.chaos
KINDS = ("worker", "raylet", "worker", "driver", "GCS", "all of Ray", "driver", "worker", "worker", "driver", "worker")
WORDS = {"worker": "ray::ImplicitFunc", "raylet": "raylet/raylet", "GCS": "gcs_server", "all of Ray": ""}
SHORT, SECONDS = (20, 40), 12  # epochs of a short trial; seconds of a long one, whose first checkpoint takes ten
POINT = "[[points]]\nepochs = {epochs}\ndropout1 = {dropout}\n"


@dataclass
class Campaign:
    """One search that is killed again and again, and the observations of it."""

    here: Path
    data: Path
    trials: int
    ended_by_us: bool = False
    done: Counter[str] = field(default_factory=Counter)
    finished: dict[int, dict[str, Any]] = field(default_factory=dict)
    params: dict[int, dict[str, Any]] = field(default_factory=dict)
    lost: list[float] = field(default_factory=list)  # seconds of training, per trial that was running
    with_checkpoint: int = 0  # how many of those trials had a checkpoint to go on from
    until_training: list[float] = field(default_factory=list)  # seconds from the command to the next epoch
    families: list[int] = field(default_factory=list)  # processes of drivers that have ended
    until_end: list[float] = field(default_factory=list)  # seconds from the loss of Ray to the end of the driver

    @property
    def run_dir(self) -> Path:
        return self.here / "runs" / "tiny"

    def line(self) -> list[str]:
        return ["tiny.toml", "--resume", "--trials", str(self.trials), "--data", str(self.data)]

    def look(self) -> list[TrialRecord]:
        """Return the trials in the study; assert that those seen finished or begun before are there unchanged."""
        found = records(self.run_dir)
        assert [record.number for record in found] == list(range(len(found)))
        now = {record.number: record for record in found}
        for number, before in self.finished.items():
            assert asdict(now[number]) == before, "a finished trial changed"
        for number, params in self.params.items():
            assert now[number].params == params, "a trial changed its parameters"
        self.finished |= {r.number: asdict(r) for r in found if r.state in ("complete", "pruned", "failed")}
        self.params |= {record.number: record.params for record in found if "started" in record.attributes}
        return found

    def charge(self, found: list[TrialRecord]) -> None:
        """Note the seconds that each unfinished trial will have to train again."""
        for record in found:
            if record.state not in ("complete", "waiting") and record.epochs:
                saved = checkpoints.epoch_of(record.attributes)
                self.with_checkpoint += saved > 0
                newest = max(record.epochs, key=lambda epoch: epoch["clock"])["epoch"]
                # Epochs beyond the newest are of an attempt before this one, whose loss was charged then.
                lost = sum(epoch["seconds"] for epoch in record.epochs if saved < epoch["epoch"] <= newest)
                self.lost.append(lost)
                assert lost <= max(10.0, *(epoch["seconds"] for epoch in record.epochs)), record.number


def last_clock(found: list[TrialRecord]) -> float:
    """Return the time of the last result, which grows with every epoch."""
    return max((epoch["clock"] for record in found for epoch in record.epochs), default=0.0)


def test_nothing_finished_is_ever_lost(
    tmp_path: Path, tiny_root: Path, kills: int, note: Callable[[str], None]
) -> None:
    long = epochs_lasting(SECONDS, tiny_root, tmp_path)
    config = tiny(trials := max(8, kills // 2), long).replace(f"epochs = {long}", f"epochs = {[*SHORT, long]}")
    first = [POINT.format(epochs=long, dropout=dropout) for dropout in (0.1, 0.2)]
    (tmp_path / "tiny.toml").write_text(config + "".join(first))
    seen = Campaign(tmp_path, tiny_root, trials)
    dice = random.Random(kills)
    kinds = [KINDS[index % len(KINDS)] for index in range(kills)]
    while kinds:
        _session(seen, kinds, dice)
    _to_the_end(seen)
    until(lambda: not [pid for pid in seen.families if "ray" in title(pid)], 90)  # Ray's agents take a minute to notice
    found = seen.look()
    assert {record.state for record in found} == {"complete"}
    raw = open_study(location.open_storage(seen.run_dir), SEARCH).trials()
    assert {trial.state.name for trial in raw} == {"COMPLETE"}
    assert seen.with_checkpoint
    _equals_training_without_interruption(seen, found, dice)
    killed = ", ".join(f"{count} of {kind}" for kind, count in sorted(seen.done.items()))
    note(f"kills: {sum(seen.done.values())} ({killed}); {len(found)} trials, 0 lost, repeated, renumbered or RUNNING")
    note(
        f"training lost per running trial ({len(seen.lost)}, {seen.with_checkpoint} of them went on from a "
        f"checkpoint): at most {max(seen.lost):.1f} s, median {statistics.median(seen.lost):.1f} s"
    )
    note(f"command to next epoch: median {statistics.median(seen.until_training):.1f} s, of which Ray's own start "
         f"{_bare_ray():.1f} s; slowest {max(seen.until_training):.1f} s")  # fmt: skip
    if seen.until_end:
        note(f"Ray gone to the driver's end: at most {max(seen.until_end):.1f} s")


def _session(seen: Campaign, kinds: list[str], dice: random.Random) -> None:
    """Run the command until a kill ends it, or to its own end; after that the search gets more trials."""
    seen.ended_by_us = False
    before = last_clock(records(seen.run_dir))
    began = time.monotonic()
    with driver(seen.here, *seen.line()) as process:
        if kinds[0] == "driver" and dice.random() < 0.3:
            time.sleep(dice.uniform(0.5, 10))  # perhaps before the first result
        else:
            until(lambda: process.poll() is not None or last_clock(records(seen.run_dir)) > before)
            if process.poll() is None:
                seen.until_training.append(time.monotonic() - began)
            if seen.done:
                time.sleep(dice.uniform(0, 2))
            else:  # the first kill falls when there is a checkpoint to go on from, whatever chance makes of the others
                until(lambda: process.poll() is not None or _saved(seen))
        while kinds and process.poll() is None:
            if kinds[0] == "worker" and _tired(seen):
                kinds.append(kinds.pop(0))  # one more death might rightly end a trial
            elif _strike(seen, process, kinds[0]):
                seen.done[kinds.pop(0)] += 1
            time.sleep(dice.uniform(0, 1))
        if not kinds:
            return
        assert process.wait(5) == 0 or seen.ended_by_us, log_of(seen.here)
        seen.look()
        if all(record.state == "complete" for record in records(seen.run_dir)):
            seen.trials += 2


def _saved(seen: Campaign) -> bool:
    """Return whether a trial that is not yet complete has a checkpoint."""
    unfinished = [record for record in records(seen.run_dir) if record.state != "complete"]
    return any(checkpoints.epoch_of(record.attributes) for record in unfinished)


def _strike(seen: Campaign, process: "subprocess.Popen[str]", kind: str) -> bool:
    """Kill processes of a kind, and check that nothing is lost; return False if there is none to kill."""
    family = descendants(process.pid)
    victims = [process.pid] if kind == "driver" else [pid for pid in family if WORDS[kind] in title(pid)]
    if kind == "worker":
        victims = victims[:1]
    if not victims or process.poll() is not None:
        return False
    kill(victims)
    struck = time.monotonic()
    if kind == "worker":
        found = seen.look()
        seen.charge(found)
        before = last_clock(found)
        until(lambda: process.poll() is not None or last_clock(records(seen.run_dir)) > before)
        return True
    code = process.wait(30)
    seen.ended_by_us = True
    if kind != "driver":
        seen.until_end.append(time.monotonic() - struck)
        last = log_of(seen.here)
        assert code == 1, last
        assert f"go on with: python -m search {shlex.join(seen.line())}" in last[last.rindex("Ray is gone") :]
    seen.families += family
    found = seen.look()
    seen.charge(found)
    # Only deaths of workers are charged; a worker may die between two trials, or unnoticed just before the driver.
    assert sum(record.attributes.get("retries", 0) for record in found) <= seen.done["worker"]
    return True


def _tired(seen: Campaign) -> bool:
    """Return whether a running trial has died as often in a row as it may."""
    unfinished = [record for record in records(seen.run_dir) if record.state != "complete"]
    return any(record.attributes.get("deaths_in_a_row", 0) >= RETRIES for record in unfinished)


def _to_the_end(seen: Campaign) -> None:
    with driver(seen.here, *seen.line()) as process:
        assert process.wait(300) == 0, log_of(seen.here)


def _equals_training_without_interruption(seen: Campaign, found: list[TrialRecord], dice: random.Random) -> None:
    """Train two trials again without a break, those with most deaths first; every number must be equal bit for bit."""
    experiment = load_resolved(seen.run_dir)
    data = load_dataset("mnist", seen.data, validation_images=100, seed=experiment.search.seed)
    battered = sorted(found, key=lambda record: (-record.attributes.get("retries", 0), dice.random()))
    for record in battered[:2]:
        hyperparameters = complete(experiment.space, record.params)
        state = start(hyperparameters, seed=record.attributes["seed"], number=record.number, device=torch.device("cpu"))
        with torch_threads(1):
            expected = [(epoch.train_loss, epoch.val_loss, epoch.val_accuracy) for epoch in fit(state, data)]
        numbers = [(epoch["train_loss"], epoch["val_loss"], epoch["val_accuracy"]) for epoch in record.epochs]
        assert numbers == expected


def _bare_ray() -> float:
    """Return the seconds that Ray alone takes to start and to answer from one worker."""
    began = time.monotonic()
    code = (
        "from search.on_ray.environment import set_environment\n"
        "set_environment(private=True)\n"
        "from search.on_ray.cluster import connected\n"
        "with connected(None, print):\n"
        "    import ray\n"
        "    ray.get(ray.remote(lambda: 1).remote())\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True, capture_output=True)
    return time.monotonic() - began
