"""Runs whose accuracies hardly compare are not compared without a warning."""

from analysis.tables.run import read_run
from analysis.words.comparison import differing_data
from tests.analysis.studies import NewRun

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 2}


def test_runs_with_other_validation_images_get_a_warning(new_run: NewRun) -> None:
    first, second = new_run(SPACE, name="a"), new_run(SPACE, name="b")
    other = new_run(SPACE, name="c", automatic={"dataset": "uci-digits"})
    a, b, c = (read_run(new.run_dir) for new in (first, second, other))
    assert differing_data([a, b]) is None
    warning = differing_data([a, b, c])
    assert warning is not None
    assert "c: uci-digits" in warning
