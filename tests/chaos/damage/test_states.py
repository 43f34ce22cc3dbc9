"""A damaged checkpoint costs the epochs since the one before it and a warning, and changes no number."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from model.checkpoint import FILE
from search.store.records import read_trials
from search.store.study import BEFORE, NEWEST
from search.trials import Trials
from search.winner import Outcome
from tests.searches import experiment, numbers
from tests.without_ray import without_ray

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("one_thread")]
EPOCHS = 6


@pytest.fixture
def search(go: Callable[..., Outcome]) -> Callable[[str, int], list[int]]:
    """Return a function that runs or resumes a search of one trial, without Ray, and returns the epochs it trained.

    The search is cut off after the epoch `last`; 0 lets it end.
    """
    wanted = experiment(
        search={"trials": 1}, hyperparameters={"epochs": EPOCHS}, confirm={"top": 0}, resources={"cpus_per_trial": 1}
    )

    def search(name: str, last: int) -> list[int]:
        trained = []

        def on_result(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
            trained.append(result["epoch"])
            goes_on = trials.on_result(ray_trial_id, result, checkpoint)
            if result["epoch"] == last:
                raise KeyboardInterrupt
            return goes_on

        with pytest.raises(KeyboardInterrupt) if last else nullcontext():
            go(wanted, name, connect=without_ray(on_result))
        return trained

    return search


@pytest.mark.parametrize(
    ("damaged", "again", "said"),
    [
        ([NEWEST], [4, 5, 6], "trained again from epoch 3"),
        ([NEWEST, BEFORE], [1, 2, 3, 4, 5, 6], "trained again from its beginning"),
        ([BEFORE], [5, 6], None),
    ],
)
def test_the_checkpoint_before_is_used_and_reported(
    search: Callable[[str, int], list[int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damaged: list[str],
    again: list[int],
    said: str | None,
) -> None:
    assert search("straight", 0) == list(range(1, EPOCHS + 1))
    search("cut", 4)
    [cut] = read_trials(tmp_path / "cut")
    for name in damaged:
        path = tmp_path / "cut" / cut.attributes[name]["place"] / FILE
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    capsys.readouterr()
    assert search("cut", 0) == again
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "straight")
    [record] = read_trials(tmp_path / "cut")
    warning = capsys.readouterr().err
    if said is None:
        assert "damaged" not in record.attributes
        assert warning == ""
    else:
        assert said in record.attributes["damaged"]
        assert warning.count("\n") == 1
        assert said in warning
