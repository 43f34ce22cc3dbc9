"""A search whose CPUs or GPUs other jobs hold says so; tests/chaos/test_nodes.py has two searches on one cluster."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import ConfigError
from model.hyperparameters import Hyperparameters
from search.on_ray import measure, ray_internals, waiting
from search.on_ray.slots import Slots, cluster_nodes
from search.on_ray.waiting import Waiting
from search.on_ray.work import Work
from search.trials import MachineFaults
from search.trials.attempt import LiveTrial


class Watched:
    """A stage of two trials, on a clock of its own that gains six seconds between two looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slots: Slots) -> None:
        self.said: list[str] = []
        self.waits, self.now = True, 0.0
        self.live = {name: LiveTrial(number, 0.0) for number, name in enumerate("ab")}
        self.work = Work(slots, [])
        progress = SimpleNamespace(warn=self.said.append, say=self.said.append)
        self.work.trials = SimpleNamespace(faults=MachineFaults(), live=self.live, progress=progress)  # type: ignore[assignment]
        self.waiting = Waiting()
        monkeypatch.setattr(ray_internals, "waits_for_room", lambda: self.waits)
        monkeypatch.setattr(waiting.time, "monotonic", lambda: self.now)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.waiting.look(self.work)
            self.now += 6


@pytest.mark.parametrize(
    ("slots", "needs"),
    [(Slots(2, 1), "1 CPU"), (Slots(2, 4, 1), "4 CPUs and a GPU"), (Slots(2, 1, 4), "1 CPU and 1/4 of a GPU")],
)
def test_a_stage_without_a_place_for_any_trial_says_so_once_and_once_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, slots: Slots, needs: str
) -> None:
    watched = Watched(monkeypatch, slots)
    watched.look(2)
    assert watched.said == []  # six seconds: another trial may just be ending
    watched.look(9)
    [line] = watched.said
    assert line.startswith(
        f"waiting: no machine has {needs} free, as a trial needs; other jobs of the cluster hold them"
    )
    watched.live["b"].began = 1.0
    watched.look(2)
    assert watched.said[1:] == ["the wait is over: trials run again"]
    watched.live["b"].began = None  # it waits anew, after the death of its machine say
    watched.look(9)
    assert watched.said[2:] == [line]


def test_workers_that_are_starting_and_stages_without_trials_are_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, Slots(2, 1))
    watched.waits = False
    watched.look(9)
    watched.waits = True
    watched.look(1)
    watched.live.clear()
    watched.look(9)
    assert watched.said == []


@pytest.fixture
def taken(declared_gpus: None) -> Iterator[Any]:
    """Yield an actor that holds all four GPUs, as another job would."""
    import ray

    @ray.remote(num_gpus=4, num_cpus=0)
    class Other:
        def there(self) -> None:
            pass

    actor = Other.remote()
    ray.get(actor.there.remote(), timeout=60)
    yield actor
    ray.kill(actor)


def test_ray_says_whether_it_has_found_room(taken: Any) -> None:
    """Ask for a GPU and a CPU, as a trial does, while another job holds all GPUs, then once they are free."""
    import ray
    from ray.util import remove_placement_group

    assert not ray_internals.waits_for_room()  # nothing is asked for
    group = ray_internals.reserve(cluster_nodes()[0].id, 1, cpus=1)
    assert not group.wait(0.5)
    assert ray_internals.waits_for_room(), "see waits_for_room in search/on_ray/ray_internals.py: Ray has changed"
    ray.kill(taken)
    assert group.wait(30)
    assert not ray_internals.waits_for_room()
    remove_placement_group(group)


def test_a_measurement_that_waits_for_a_gpu_says_so_and_goes_on_once_it_is_free(
    taken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free the GPUs as it is said that they are taken: were it not said, the measurement would end in an error."""
    import ray

    monkeypatch.setattr(waiting, "NOTICE", 0.5)
    monkeypatch.setattr(measure, "LIMIT", 60)
    monkeypatch.setattr(measure, "_measure", lambda hyperparameters, data: (8 * 2**30, 2**30))
    said: list[str] = []

    def free(line: str) -> None:
        said.append(line)
        ray.kill(taken)

    assert measure.measured_per_gpu(Hyperparameters(), {}, cluster_nodes(), free) == 7
    [line] = said
    assert line.startswith("waiting for a whole GPU on each machine, to measure how many trials fit on one; other jobs")


def test_a_measurement_ends_where_gpus_stay_taken(taken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "NOTICE", 0.1)
    monkeypatch.setattr(measure, "LIMIT", 1)
    with pytest.raises(ConfigError, match=r"are taken by others; wait, or set resources\.trials_per_gpu"):
        measure.measured_per_gpu(Hyperparameters(), {}, cluster_nodes(), lambda line: None)
