"""A run for TensorBoard: each point of the study once, at once, after kills and repetitions too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.progress.tensorboard import EventFiles
from search.store.study import CONFIRM, SEARCH
from search.trials import Trials
from search.winner import Outcome
from tests.analysis.studies import Writer
from tests.event_files import points_in, points_shown, points_stored
from tests.searches import experiment
from tests.without_ray import without_ray

TABLE = {
    "search": {"trials": 9, "pruner": "none"},
    "hyperparameters": {"epochs": 3, "dropout1": {"low": 0, "high": 0.5}},
}


@pytest.fixture
def run(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "run", TABLE)


def follow(run: Writer, warn: Callable[[str], None] = pytest.fail) -> Path:
    """Have a run written for TensorBoard from now on; return the folder."""
    run.storage.follow(EventFiles(run.run_dir / "tensorboard", [run.study], warn).update)
    return run.run_dir / "tensorboard" / SEARCH


def test_a_point_is_there_as_soon_as_the_study_holds_it(run: Writer) -> None:
    run.trial([0.5, 0.6])
    folder = follow(run)
    number = run.begin()
    for accuracy in (0.7, 0.8):
        run.epoch(number, accuracy)
        assert points_in(folder / "trial-0001")[-1][1] == pytest.approx(accuracy)
        assert points_shown(run.run_dir) == points_stored(run.run_dir)
    run.end(number, "failed", "broken")
    run.study.enqueue({"dropout1": 0.1})
    assert [path.name for path in sorted(folder.iterdir())] == ["trial-0000", "trial-0001"]  # one that waits has none
    assert points_shown(run.run_dir) == points_stored(run.run_dir)


def test_an_epoch_that_is_trained_again_takes_the_place_of_the_first(run: Writer) -> None:
    folder = follow(run)
    number = run.begin()
    for accuracy in (0.5, 0.6, 0.7):
        run.epoch(number, accuracy)
    again = {**run.study.trial(number).user_attrs["epoch:2"], "val_accuracy": 0.65}
    run.study.record_epoch(number, again)
    assert [accuracy for _, accuracy, *_ in points_in(folder / "trial-0000")] == pytest.approx([0.5, 0.65, 0.7])


def test_a_search_that_goes_on_writes_what_was_torn_or_lost_or_came_before_the_key(
    go_without: Callable[..., Outcome], tmp_path: Path, one_thread: None
) -> None:
    def session(epochs: int | None, wanted: bool) -> None:
        """Search until the study holds so many epochs, or to the end."""

        def on_result(trials: Trials, *report: Any) -> bool:
            goes_on = Trials.on_result(trials, *report)
            if sum(len(trial.intermediate_values) for trial in trials.stage.study.trials()) == epochs:
                trials.stop("enough")
            return goes_on and not trials.stopping

        small = experiment(confirm={"top": 1, "seeds": 1}, report={"tensorboard": wanted})
        go_without(small, connect=without_ray(on_result))

    run_dir, folder = tmp_path / "run", tmp_path / "run" / "tensorboard"
    session(3, wanted=False)
    assert not folder.exists()
    session(5, wanted=True)
    assert [len(points) for points in points_shown(run_dir)] == [1, 2, 2]
    assert points_shown(run_dir) == points_stored(run_dir)
    torn, lost, older = sorted(folder.glob("search/*/*"))
    torn.write_bytes(torn.read_bytes()[:-20])
    lost.unlink()
    older.rename(f"{older}.older")
    session(None, wanted=True)
    assert points_shown(run_dir) == points_stored(run_dir)
    assert [len(list(path.glob("*/*"))) for path in (folder / SEARCH, folder / CONFIRM)] == [4, 1]  # a file per trial


def test_files_that_cannot_be_written_cost_a_warning_and_no_trial(run: Writer) -> None:
    (run.run_dir / "tensorboard").write_text("in the way")
    warnings: list[str] = []
    follow(run, warnings.append)
    run.trial([0.5, 0.6])
    assert run.study.trial(0).value == 0.6
    assert len(warnings) == 1
    assert "run/tensorboard: can't be written (" in warnings[0]
