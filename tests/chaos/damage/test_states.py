"""A damaged training state costs the epochs since the one before it, is told, and changes no number."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import FILE
from search import confirm, run
from search.ledger import Ledger
from search.on_ray import trial
from search.on_ray.slots import Node
from search.progress import Progress
from search.run import run_search
from search.store import study
from search.store.checkpoints import BEFORE, NEWEST
from tests.chaos import rayless
from tests.searches import experiment, numbers

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("one_thread")]
EPOCHS = 6


@pytest.fixture
def search(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[int]]:
    """Run or resume a search of one trial without Ray, cut off after an epoch; the epochs that it trained."""
    for module in (run, confirm):
        monkeypatch.setattr(module, "run_stage", rayless.run_stage)
        monkeypatch.setattr(module, "cluster_nodes", lambda: [Node("here", 1, 0)])
    monkeypatch.setattr(run, "connected", lambda *_: nullcontext(threading.Event()))
    monkeypatch.setattr(trial, "_device", lambda: (torch.device("cpu"), []))
    monkeypatch.setattr(trial, "MAY_BE_LOST", 0.0)  # a state after every epoch
    real = Ledger.on_result
    wanted = experiment(
        search={"trials": 1}, hyperparameters={"epochs": EPOCHS}, confirm={"top": 0}, resources={"cpus_per_trial": 1}
    )

    def search(name: str, last: int) -> list[int]:
        trained = []

        def on_result(self: Ledger, worker: str, result: dict[str, Any], place: Path | None) -> bool:
            trained.append(result["epoch"])
            goes_on = real(self, worker, result, place)
            if result["epoch"] == last:
                raise KeyboardInterrupt
            return goes_on

        monkeypatch.setattr(Ledger, "on_result", on_result)
        cut = pytest.raises(KeyboardInterrupt) if last else nullcontext()
        with cut:
            run_search(wanted, tmp_path / name, Progress(quiet=True), resume=True, data=tiny_root)
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
    [cut] = study.read_trials(tmp_path / "cut")
    for which in damaged:
        path = tmp_path / "cut" / cut.attributes[which]["place"] / FILE
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    capsys.readouterr()
    assert search("cut", 0) == again
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "straight")
    [record] = study.read_trials(tmp_path / "cut")
    told = capsys.readouterr().err
    if said is None:
        assert "damaged" not in record.attributes
        assert told == ""
    else:
        assert said in record.attributes["damaged"]
        assert told.count("\n") == 1
        assert said in told
