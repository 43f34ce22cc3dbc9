"""The interactive figure shows a trial per line, and of very many the best alone."""

import re
from pathlib import Path

import pytest

from analysis import interactive
from analysis.run import read_run


def numbers(run_dir: Path) -> list[int]:
    """Return the numbers of the trials in the figure."""
    html = interactive.parallel_coordinates([read_run(run_dir)])
    assert html is not None
    [found] = re.findall(r'"label":"trial","values":\[([\d,]+)\]', html)
    return [int(number) for number in found.split(",")]


def test_of_many_trials_the_best_are_shown(halving_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = read_run(halving_run).trials
    seen = trials[trials.val_accuracy.notna() & (trials.state != "failed")]
    assert numbers(halving_run) == seen.number.tolist()
    monkeypatch.setattr(interactive, "MOST", 7)
    assert numbers(halving_run) == sorted(seen.nlargest(7, "val_accuracy").number)
