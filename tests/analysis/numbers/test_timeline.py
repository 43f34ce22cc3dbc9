"""The timeline has a stretch per uninterrupted training, and a lane per trial side by side."""

from functools import partial

import pandas as pd

from analysis import figures
from analysis.figures import sheet
from analysis.numbers.timeline import COLUMNS, timeline
from analysis.tables import epoch_table, trial_table
from tests.analysis.studies import NewRun


def trials(*numbers: int, gpu: str | None = None) -> pd.DataFrame:
    return pd.DataFrame({"number": list(numbers), "node": "here", "gpu": gpu})


def epochs(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    """Return an epoch table from (number, epoch, seconds, clock)."""
    table = pd.DataFrame(list(rows), columns=["number", "epoch", "duration", "clock"], dtype="float64")
    times = {name: pd.to_timedelta(table[name], unit="s") for name in ("duration", "clock")}
    return table.assign(state="complete", **times)


def test_epochs_one_after_the_other_are_one_stretch_and_a_pause_parts_them() -> None:
    found = timeline(trials(3), epochs((3, 1, 2.0, 2.0), (3, 2, 2.0, 4.1), (3, 3, 2.0, 9.0)))
    assert found.columns.tolist() == COLUMNS
    assert found[["start", "end"]].to_numpy().tolist() == [[0.0, 4.1], [7.0, 9.0]]


def test_the_tables_of_a_run_give_each_trial_its_whole_time(new_run: NewRun) -> None:
    run = new_run({"dropout1": {"low": 0.0, "high": 0.5}, "epochs": 2})
    run.trial([0.9, 0.95])
    run.trial([0.9])
    found = timeline(trial_table(run.run_dir), epoch_table(run.run_dir))
    assert found[["number", "start", "end"]].to_numpy().tolist() == [[0, 0.0, 4.0], [1, 4.0, 6.0]]


def test_trials_side_by_side_have_lanes_of_their_own_and_later_ones_the_first_that_is_free() -> None:
    found = timeline(trials(0, 1, 2), epochs((0, 1, 4.0, 4.0), (1, 1, 2.0, 3.0), (2, 1, 2.0, 5.5)))
    assert found.number.tolist() == [0, 1, 2]
    assert found.lane.tolist() == [0, 1, 1]


def test_the_place_is_the_machine_and_its_gpus() -> None:
    assert timeline(trials(0, gpu="1"), epochs((0, 1, 1.0, 1.0))).place.tolist() == ["here, GPU 1"]
    assert timeline(trials(0), epochs((0, 1, 1.0, 1.0))).place.tolist() == ["here"]


def test_without_an_epoch_there_is_nothing_to_draw() -> None:
    assert timeline(trials(0), epochs()).columns.tolist() == COLUMNS


def test_the_figure_has_a_bar_per_stretch_in_the_row_of_its_lane() -> None:
    found = timeline(trials(0, 1, 2), epochs((0, 1, 4.0, 4.0), (1, 1, 2.0, 3.0), (2, 1, 2.0, 5.5)))
    ax = sheet([partial(figures.timeline, found)]).axes[0]
    above, below = (collection.get_paths() for collection in ax.collections)
    assert [path.get_extents().x0 for path in above] == [0.0]
    assert [path.get_extents().intervalx.tolist() for path in below] == [[1.0, 3.0], [3.5, 5.5]]
    assert [text.get_text() for text in ax.texts] == ["0", "1", "2"]


def test_the_figure_says_so_where_no_trial_has_finished_an_epoch() -> None:
    ax = sheet([partial(figures.timeline, timeline(trials(0), epochs()))]).axes[0]
    assert ax.texts[0].get_text() == "No trial has finished an epoch yet."
