"""Interrupted equals uninterrupted: a run killed at 20 random points ends with the tables of one never killed.

One trial runs at a time on a CPU. Every value but times, machines and processes is equal bit for bit. The long form
does the same through the real command, where the start of Ray makes every kill cost ten seconds.
"""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import EPOCH_COLUMNS, TRIAL_COLUMNS, epoch_table, trial_table
from model.card import read_whole
from search.store.study import CONFIRM, REFIT, SEARCH
from tests.event_files import points_shown, points_stored
from tests.harness import ROOT, driver, environment, log_of, recorded, tiny, until

pytestmark = pytest.mark.chaos
KILLS = 20
# Times, machines and processes; all other columns must be equal.
MAY_DIFFER = {"duration", "images_per_second", "clock", "started", "ended", "retries", "node", "device", "gpu"}
MAY_DIFFER |= {"milliseconds_per_image"}
COMBINATIONS = [("tpe", "halving"), ("tpe", "none"), ("random", "halving"), ("gp", "promote")]

# What a training may hold besides: all of it must go on bit for bit.
MORE = "batch_norm = true\nema_decay = 0.9\nrotation = 5.0\nelastic = 1.0\nnoise = 0.1\n"
# A race beside a recipe that the space does not hold.
RACE = "most_seeds = 4\nrecipe = { epochs = 2, conv1_width = 2, conv2_width = 2, hidden_width = 16 }"


def tables(run_dir: Path) -> list[pd.DataFrame]:
    """Return the tables of search, confirmation and refit, with the columns that must be equal."""
    found = []
    for name in (SEARCH, CONFIRM, REFIT):
        found.append(trial_table(run_dir, name)[[column for column in TRIAL_COLUMNS if column not in MAY_DIFFER]])
        found.append(epoch_table(run_dir, name)[[column for column in EPOCH_COLUMNS if column not in MAY_DIFFER]])
    return found


def assert_equal(killed: Path, straight: Path) -> None:
    for one, other in zip(tables(killed), tables(straight), strict=True):
        pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True)
    assert len(tables(straight)[0]) > 0


def test_a_kill_between_any_two_writes_changes_nothing(
    tmp_path: Path, tiny_root: Path, note: Callable[[str], None]
) -> None:
    configs = []
    for sampler, pruner in COMBINATIONS:
        config = tmp_path / f"{sampler}-{pruner}.toml"
        text = tiny(trials=14 if pruner == "none" else 24, epochs=9, sampler=sampler, pruner=pruner)
        text = text.replace("top = 0", "top = 2\nseeds = 2\n[export]\nrefit = true")
        if pruner == "promote":
            text = text.replace("[confirm]", f"{MORE}[confirm]").replace("seeds = 2", f"seeds = 2\n{RACE}")
        if pruner == "none":
            text += "[report]\ntensorboard = true\n"
        config.write_text(text.replace("batch_size = 16", "batch_size = 100"))
        configs.append(str(config))
    line = [sys.executable, str(ROOT / "tests/chaos/rayless.py"), str(tiny_root), str(KILLS)]
    halves = [subprocess.Popen([*line, *configs[start::2]], env=environment()) for start in (0, 1)]
    assert [half.wait(600) for half in halves] == [0, 0]
    for sampler, pruner in COMBINATIONS:
        killed, straight = (tmp_path / how / f"{sampler}-{pruner}" for how in ("killed", "straight"))
        assert_equal(killed, straight)
        assert len(trial_table(straight, CONFIRM)) >= (6 if pruner == "promote" else 4)  # a race grows
        one, other = (read_whole(run_dir / "export") for run_dir in (killed, straight))
        assert (one.sha256, one.metrics) == (other.sha256, other.metrics)
        if pruner == "none":
            assert points_shown(killed) == points_shown(straight) == points_stored(straight)
        note(f"interrupted equals uninterrupted: {sampler}, pruner {pruner}: {KILLS} kills without Ray, bit for bit")


@pytest.mark.long
@pytest.mark.parametrize(("sampler", "pruner"), COMBINATIONS)
def test_kills_of_the_command_change_nothing(
    tmp_path: Path, tiny_root: Path, sampler: str, pruner: str, note: Callable[[str], None]
) -> None:
    one_at_a_time = "[resources]\ncpus_per_trial = 2\n"
    config = tmp_path / "tiny.toml"
    config.write_text(tiny(trials=40, epochs=27, sampler=sampler, pruner=pruner) + one_at_a_time)
    words = ["tiny.toml", "--resume", "--data", str(tiny_root), "--name"]
    with driver(tmp_path, *words, "straight") as process:
        assert process.wait(600) == 0, log_of(tmp_path)
    dice, total = random.Random(1), recorded(tmp_path / "runs" / "straight")
    for target in sorted(dice.randrange(int(0.8 * total)) for _ in range(KILLS)):
        with driver(tmp_path, *words, "killed") as process:
            until(lambda: process.poll() is not None or recorded(tmp_path / "runs" / "killed") >= target)  # noqa: B023
            assert process.poll() is None, log_of(tmp_path)
    with driver(tmp_path, *words, "killed") as process:
        assert process.wait(600) == 0, log_of(tmp_path)
    assert_equal(tmp_path / "runs" / "killed", tmp_path / "runs" / "straight")
    note(f"interrupted equals uninterrupted: {sampler}, pruner {pruner}: {KILLS} kills of the command, bit for bit")
