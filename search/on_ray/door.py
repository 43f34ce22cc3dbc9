"""The door of this room: begin a private Ray early, connect to it or to a cluster. It imports Ray only as it opens."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from search.experiment import Experiment
from search.on_ray.limits import check_limits
from search.store.location import is_run

if TYPE_CHECKING:  # Ray is imported when its environment is set, and PyTorch when Ray has begun to start
    from model.data import Dataset
    from search.on_ray.engine import RayEngine
    from search.on_ray.private import PrivateRay
    from search.progress import Progress


class Searched(Protocol):
    """What the engine has to know of a run; `digest` identifies the images."""

    @property
    def run_dir(self) -> Path: ...
    @property
    def experiment(self) -> Experiment: ...
    @property
    def dataset(self) -> "Dataset": ...
    @property
    def digest(self) -> str: ...
    @property
    def progress(self) -> "Progress": ...


Connect = Callable[[Searched, str | None], AbstractContextManager["RayEngine"]]


@contextmanager
def ray_begun(run_dir: Path, experiment: Experiment, address: str | None) -> Iterator["PrivateRay | None"]:
    """Have a private Ray start while PyTorch is imported and the images are loaded; end it after the body.

    Yield None, and start nothing, for a cluster at `address`, and for a run that has begun: perhaps nothing of it is
    left to do. Raises ConfigError where Ray can't run here.
    """
    check_limits()
    if address is not None or is_run(run_dir):
        yield None
        return
    from search.on_ray.environment import set_environment

    set_environment(private=True)
    from search.on_ray.private import private_ray
    from search.on_ray.slots import concurrent_here

    with private_ray(partial(concurrent_here, experiment)) as begun:
        yield begun


def over_ray(on_gone: Callable[[str], None] = lambda _: None, begun: "PrivateRay | None" = None) -> Connect:
    """Return a function that connects to Ray, `begun` or not; if it dies, `on_gone` is told which part is missing."""

    @contextmanager
    def connect(run: Searched, address: str | None) -> Iterator["RayEngine"]:
        from search.on_ray.environment import set_environment

        check_limits()
        set_environment(private=address is None)
        from search.on_ray.engine import ray_engine  # imports Ray, which reads its environment then

        told = (on_gone, begun, run.progress.warn)
        with ray_engine(run.run_dir, run.experiment, run.dataset, run.digest, address, *told) as engine:
            yield engine

    return connect
