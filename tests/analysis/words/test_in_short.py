"""The short answers agree with the export; those beside the sentences of a run are tested in test_verdict.py."""

from pathlib import Path

import pytest

from analysis.tables.run import read_run
from analysis.words.in_short import in_short
from tests.analysis.studies import NewRun

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 2}


def test_test_accuracy_comes_from_the_export(halving_run: Path) -> None:
    run = read_run(halving_run)
    told = f"99.27 % on 10,000 test images, scored twice by this run, by the exported model (trial {run.winner})"
    assert in_short(run)["test"] == told


@pytest.mark.parametrize(
    ("images", "trained"),
    [
        ({"training_images": 58_000, "calibration_images": 2_000}, "58,000 in all, and 2,000 held back"),
        ({"training_images": 60_000}, "60,000 in all"),  # by an earlier version
    ],
)
def test_a_refit_model_has_seen_validation_images(new_run: NewRun, images: dict[str, int], trained: str) -> None:
    new = new_run(SPACE)
    new.export({"test_accuracy": 0.99, "test_images": 10_000}, {"source": {"candidate": 4, "refit": True}, **images})
    assert in_short(read_run(new.run_dir))["test"] == (
        "99.00 % on 10,000 test images, scored at least once by this run, by the exported model (trial 4, trained on "
        f"validation images too: {trained})"
    )
