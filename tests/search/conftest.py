"""Ray for the tests of the search: one small private cluster per module that asks for it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def private_ray(**resources: int) -> Iterator[None]:
    from search.cluster import OBJECT_STORE_BYTES, quiet_environment

    quiet_environment(private=True)
    import ray

    temporary = tempfile.mkdtemp(prefix="dt-", dir="/tmp")
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(_temp_dir=temporary, object_store_memory=OBJECT_STORE_BYTES, **quiet, **resources)
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture(scope="module")
def two_cpus() -> Iterator[None]:
    with private_ray(num_cpus=2, num_gpus=0):
        yield


@pytest.fixture(scope="module")
def declared_gpus() -> Iterator[None]:
    """Eight CPUs and four GPUs that Ray only believes in."""
    with private_ray(num_cpus=8, num_gpus=4):
        yield
