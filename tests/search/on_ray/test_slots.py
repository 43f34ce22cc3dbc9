"""Slots of trials on GPUs: the plan by arithmetic, and the slots that Ray really gives on declared GPUs."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ConfigError
from search.experiment import parse_experiment
from search.on_ray import callback, engine
from search.on_ray.measure import trials_that_fit
from search.on_ray.slots import Node, Slots, cluster_nodes, hold_spare, plan
from search.on_ray.work import Work
from search.progress import Progress
from search.run import run_search
from search.store.records import read_trials
from search.trials import MachineFaults

GIB = 2**30


@pytest.mark.parametrize(
    ("nodes", "cpus", "per_gpu", "trials", "expected"),
    [
        # (CPUs, GPUs) of each node; expected are (concurrent, per_gpu, slots left empty)
        ([(16, 4)], 1, 4, 100, (16, 4, 0)),
        ([(16, 4)], 1, 4, 4, (4, 1, 0)),
        ([(16, 4)], 1, 4, 3, (3, 1, 1)),
        ([(16, 4)], 1, 4, 6, (6, 2, 2)),
        ([(6, 4)], 1, 4, 100, (6, 2, 2)),
        ([(16, 4), (16, 4)], 2, 8, 100, (16, 2, 0)),
        ([(8, 1)], 1, 8, 100, (8, 8, 0)),
        ([(4, 0)], 2, 8, 100, (2, 0, 0)),
        ([(4, 0), (2, 0)], 1, 8, 5, (5, 0, 0)),
        ([(8, 0), (4, 1)], 1, 4, 100, (4, 4, 0)),
        ([(128, 0, 7 * GIB)], 1, 8, 100, (6, 0, 0)),  # memory for six workers
        ([(128, 8, 7 * GIB)], 4, 2, 100, (6, 1, 2)),
        ([(2, 0, GIB // 2)], 1, 8, 100, (1, 0, 0)),
    ],
)  # fmt: skip
def test_plan(
    nodes: list[tuple[int, ...]], cpus: int, per_gpu: int, trials: int, expected: tuple[int, int, int]
) -> None:
    cluster = [Node(str(index), *node) for index, node in enumerate(nodes)]
    slots = plan(cluster, cpus_per_trial=cpus, per_gpu=per_gpu, trials=trials)
    assert (slots.concurrent, slots.per_gpu, sum(count for _, count in slots.spare)) == expected


def test_fractions_never_add_up_to_more_than_a_gpu() -> None:
    for per_gpu in range(1, 33):
        slots = plan([Node("a", 64, 1)], cpus_per_trial=1, per_gpu=per_gpu, trials=64)
        assert slots.gpu_fraction * per_gpu <= 1
        assert slots.gpu_fraction * (per_gpu + 1) > 1


def test_too_many_cpus_are_refused() -> None:
    with pytest.raises(ConfigError, match="no machine has more than 4"):
        plan([Node("a", 4, 0)], cpus_per_trial=8, per_gpu=1, trials=1)


@pytest.mark.parametrize(
    ("free", "peak", "expected"), [(80 * GIB, GIB, 8), (8 * GIB, 2 * GIB, 3), (GIB, 2 * GIB, 1), (8 * GIB, 0, 8)]
)
def test_memory_limits_the_automatic_number(free: int, peak: int, expected: int) -> None:
    assert trials_that_fit(free, peak) == expected


def test_gpu_nodes_without_enough_cpus_are_refused() -> None:
    with pytest.raises(ConfigError, match="no machine with a GPU has as many"):
        plan([Node("a", 2, 4), Node("b", 16, 0)], cpus_per_trial=4, per_gpu=1, trials=1)


def test_each_trial_of_a_search_sees_one_gpu_of_its_own(declared_gpus: None, tiny_root: Path, tmp_path: Path) -> None:
    """Run three trials on four declared GPUs, each on one of its own."""
    sizes = {"conv1_width": 2, "conv2_width": 2, "hidden_width": 4}
    small = {**sizes, "epochs": 100, "dropout1": {"low": 0.0, "high": 0.5}}  # none ends before the last one begins
    wanted = parse_experiment(
        {
            "data": {"validation_images": 100},
            "search": {"trials": 3, "pruner": "none", "sampler": "random"},
            "hyperparameters": small,
            "confirm": {"top": 0},
        }
    )
    run_search(wanted, tmp_path / "run", Progress(quiet=True), data=tiny_root)
    given = [record.attributes["gpu"] for record in read_trials(tmp_path / "run")]
    assert all(len(gpus) == 1 for gpus in given)
    assert len({gpus[0] for gpus in given}) == 3
    assert "trials_per_gpu = 1" in (tmp_path / "run" / "experiment.toml").read_text()


@pytest.mark.parametrize(
    ("slots", "left", "reason"),
    [
        (Slots(2, 8), [Node("a", 2, 0)], "of 1 machines that are left none has 8 CPUs, as its trials need"),
        (Slots(2, 1, 4), [Node("a", 8, 0)], "of 1 machines that are left none has 1 CPUs and a GPU, as its"),
        (Slots(2, 2), [Node("a", 1, 0), Node("b", 2, 0)], None),
        (Slots(2, 1, 4), [Node("a", 8, 1)], None),
    ],
)
def test_a_search_whose_trials_fit_on_no_machine_that_is_left_stops(
    monkeypatch: pytest.MonkeyPatch, slots: Slots, left: list[Node], reason: str | None
) -> None:
    stops: list[str] = []
    work = Work(slots, [*left, Node("lost", 8, 1)])
    work.trials = SimpleNamespace(live={}, overdue=list, tick=lambda: None, stop=stops.append, faults=MachineFaults())  # type: ignore[assignment]
    monkeypatch.setattr(callback, "cluster_nodes", lambda: left)
    monkeypatch.setattr(callback, "PERIOD", 0.0)
    let_go: list[None] = []
    callback.StudyCallback(work, None, lambda: let_go.append(None)).on_step_end(1, [])
    assert let_go == [None]
    assert [stop.startswith(reason or "") for stop in stops] == ([True] if reason else [])


def test_a_run_that_lost_its_gpus_between_two_stages_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirmed on CPUs its best would be compared with what was trained on GPUs."""
    stops: list[str] = []
    stage = SimpleNamespace(audit=lambda: SimpleNamespace(to_do=1))
    monkeypatch.setattr(engine, "cluster_nodes", lambda: [Node("head", 8, 0)])
    tuning: Any = SimpleNamespace(slots=Slots(2, 1, 4))
    trials: Any = SimpleNamespace(stage=stage, stop=stops.append)
    engine.RayEngine({}, 4, tuning=tuning).run(trials)
    assert stops == ["of 1 machines that are left none has 1 CPUs and a GPU, as its trials need"]


@pytest.mark.parametrize(
    ("gpus", "said"),
    [(0, []), (1, ["a machine with GPUs has come: this stage goes on without; stop it and go on with"])],
)
def test_a_machine_that_comes_is_used(monkeypatch: pytest.MonkeyPatch, gpus: int, said: list[str]) -> None:
    warnings: list[str] = []
    work = Work(Slots(2, 1), [Node("a", 2, 0)])
    progress = SimpleNamespace(warn=warnings.append)
    work.trials = SimpleNamespace(live={}, overdue=list, tick=lambda: None, progress=progress, faults=MachineFaults())  # type: ignore[assignment]
    monkeypatch.setattr(callback, "cluster_nodes", lambda: [Node("a", 2, 0), Node("b", 3, gpus)])
    monkeypatch.setattr(callback, "PERIOD", 0.0)
    watching = callback.StudyCallback(work, None, lambda: pytest.fail("no machine is lost"))
    for _ in range(2):
        watching.on_step_end(1, [])
    assert work.slots == Slots(5, 1)
    assert [warning.startswith(line) for warning, line in zip(warnings, said, strict=True)] == [True] * len(said)


@pytest.mark.parametrize(("trials", "loads"), [(3, [0, 1, 1, 1]), (6, [1, 1, 2, 2]), (8, [2, 2, 2, 2])])
def test_declared_gpus_are_used_evenly(declared_gpus: None, trials: int, loads: list[int]) -> None:
    """Start an actor for each trial, with its share of a GPU, all at once; count the actors on each GPU."""
    import ray

    nodes = cluster_nodes()
    slots = plan(nodes, cpus_per_trial=1, per_gpu=4, trials=trials)

    @ray.remote(num_cpus=1, num_gpus=slots.gpu_fraction)
    class Holder:
        def gpus(self) -> list[str]:
            return list(ray.get_runtime_context().get_accelerator_ids()["GPU"])

    with hold_spare(slots, nodes):
        holders = [Holder.remote() for _ in range(slots.concurrent)]
        given = ray.get([holder.gpus.remote() for holder in holders], timeout=60)
        for holder in holders:
            ray.kill(holder)
    assert all(len(gpus) == 1 for gpus in given)
    counts = Counter(gpus[0] for gpus in given)
    assert sorted(counts.get(str(gpu), 0) for gpu in range(4)) == loads
