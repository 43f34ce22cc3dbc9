"""A damaged checkpoint costs the epochs since the one before it, is reported, and changes no number."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from model.checkpoint import FILE
from search.store.checkpoints import BEFORE, NEWEST
from search.store.records import read_trials
from search.trials import Trials
from search.winner import Outcome
from tests.searches import experiment, numbers
from tests.without_ray import without_ray

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("one_thread")]
EPOCHS = 6


@pytest.fixture
def search(go: Callable[..., Outcome]) -> Callable[[str, int], list[int]]:
    """Run or resume a search of one trial without Ray, cut off after an epoch; return the epochs that it trained."""
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
def test_the_state_before_is_used_and_said_so(
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
    for which in damaged:
        path = tmp_path / "cut" / cut.attributes[which]["place"] / FILE
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    capsys.readouterr()
    assert search("cut", 0) == again
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "straight")
    [record] = read_trials(tmp_path / "cut")
    told = capsys.readouterr().err
    if said is None:
        assert "damaged" not in record.attributes
        assert told == ""
    else:
        assert said in record.attributes["damaged"]
        assert told.count("\n") == 1
        assert said in told
