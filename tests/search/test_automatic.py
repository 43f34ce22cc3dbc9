"""What a run chooses for itself: written into experiment.toml as it begins, and kept when it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.progress import Progress
from search.run import run_search
from search.stages import automatic
from search.store.resolved import load_resolved
from tests.searches import experiment, numbers
from tests.without_ray import OneByOne, without_ray

pytestmark = pytest.mark.usefixtures("one_thread")


@contextmanager
def eight_cpus(run: Any, address: str | None) -> Iterator[OneByOne]:
    with without_ray()(run, address) as engine:
        yield replace(engine, cpus=8, most_cpus=8)


def search(run_dir: Path, data: Path, trials: int, **tables: Any) -> dict[str, Any]:
    """Search, or go on, and return what was chosen."""
    tables["search"] = {"trials": trials, **tables.get("search", {})}
    asked = experiment(confirm={"top": 0}, **tables)
    run_search(asked, run_dir, Progress(quiet=True), resume=run_dir.exists(), data=data, connect=eight_cpus)
    return load_resolved(run_dir).automatic


def test_trials_get_the_cpus_that_would_be_idle(
    tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(automatic, "fastest_threads", lambda hp, data, most, precision: asked.append(most) or most)
    auto = {"resources": {"cpus_per_trial": "auto"}}
    assert search(tmp_path / "run", tiny_root, 2, **auto)["cpus_per_trial"] == 4
    assert search(tmp_path / "run", tiny_root, 4, **auto)["cpus_per_trial"] == 4  # chosen already
    assert search(tmp_path / "many", tiny_root, 5, **auto)["cpus_per_trial"] == 1
    assert asked == [4]


def test_the_precision_is_chosen_once(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = {"search": {"precision": "auto"}}
    monkeypatch.setattr(automatic.precision, "has_bfloat16", lambda: True)
    assert search(tmp_path / "run", tiny_root, 1, **auto)["precision"] == "bfloat16"
    monkeypatch.setattr(automatic.precision, "has_bfloat16", lambda: False)
    assert search(tmp_path / "run", tiny_root, 2, **auto)["precision"] == "bfloat16"
    search(tmp_path / "asked", tiny_root, 2, search={"precision": "bfloat16"})
    search(tmp_path / "plain", tiny_root, 2)
    assert numbers(tmp_path / "run") == numbers(tmp_path / "asked")
    assert numbers(tmp_path / "run") != numbers(tmp_path / "plain")
