"""A run folder made by an older version, interrupted in mid-search, is reported, resumed and reported again.

tests/older_run was written by commit 1d99963: six trials ended, one was killed after its second epoch.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.report import write_report
from analysis.tables import epoch_table, trial_table
from search.store.records import read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM
from search.winner import Outcome, winner_of
from tests.without_ray import without_ray

OLDER = Path(__file__).parents[1] / "older_run"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLDER, tmp_path / "run"))


def test_it_is_reported(run_dir: Path) -> None:
    assert list(trial_table(run_dir).state) == ["complete", *["pruned"] * 4, "complete", "interrupted"]
    assert epoch_table(run_dir).groupby("number").size().tolist() == [3, 1, 1, 2, 2, 3, 2]
    winner = winner_of(run_dir)
    assert winner is not None
    assert (winner.candidate, winner.accuracies) == (0, (0.66,))
    assert "trial 0 reaches 66.00 % validation accuracy" in write_report([run_dir]).read_text()


def test_it_is_resumed_from_its_checkpoint(run_dir: Path, go: Callable[..., Outcome], one_thread: None) -> None:
    before = read_trials(run_dir)
    outcome = go(load_resolved(run_dir), connect=without_ray())
    after = read_trials(run_dir)
    assert after[:6] == before[:6]
    assert [record.number for record in after] == list(range(8))
    interrupted = after[6]
    assert (interrupted.params, interrupted.epochs[:2]) == (before[6].params, before[6].epochs)
    assert {record.state for record in after} <= {"complete", "pruned"}
    assert [record.state for record in read_trials(run_dir, CONFIRM)] == ["complete"]
    assert outcome.export
    assert outcome.winner is not None
    assert f"trial {outcome.winner.candidate} reaches" in write_report([run_dir]).read_text()
