"""What has no public way in Ray is still there: if this fails, a new Ray has changed an internal that we use.

Then read the place that search/on_ray/ray_internals.py names in that version, and bring the file up to it.
"""

import ast
import inspect
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private import ray_constants, worker
from ray._private.node import Node
from ray.exceptions import ActorUnavailableError
from ray.runtime_env import RuntimeEnv
from ray.tune.execution import class_cache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.trainable import wrap_function
from ray.tune.utils.object_cache import _ObjectCache
from ray.util import placement_group

from search.on_ray import ray_internals

ROOT = Path(__file__).parents[3]
SAID = "Ray has changed this; bring search/on_ray/ray_internals.py up to it"


def test_the_version_read_is_the_newest_one_allowed() -> None:
    """pyproject.toml bounds Ray above, so that a version nobody looked at is not installed."""
    read = re.search(r"Read in ray (\d+)\.(\d+)", ast.get_docstring(ast.parse(inspect.getsource(ray_internals))) or "")
    assert read is not None
    major, minor = int(read[1]), int(read[2])
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [bound] = [line for line in dependencies if line.startswith("ray")]
    assert bound.endswith(f"<{major}.{minor + 1}")
    assert tuple(map(int, ray.__version__.split(".")[:2])) <= (major, minor), SAID


def test_ray_still_prints_through_what_is_silenced() -> None:
    assert callable(worker.print_to_stdstream), SAID
    assert "print_to_stdstream(" in inspect.getsource(worker), SAID
    ray_internals.silence_stdout()
    assert worker.print_to_stdstream("any", ignore_prefix=True) is None


def test_a_trial_still_has_a_worker_and_an_error_file() -> None:
    trial = Trial("any", stub=True)
    assert trial.temporary_state.ray_actor is None, SAID
    ray_internals.kill_worker(trial)  # nothing to kill
    assert isinstance(inspect.getattr_static(Trial, "error_file"), property), SAID


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "Failure # 1 (occurred at 2026-01-01)\nThe actor died unexpectedly.\nand more\n",
            "The actor died unexpectedly.",
        ),
        ("", "Ray gave no reason"),
        (None, "Ray gave no reason"),
    ],
)
def test_the_first_line_of_a_failure_is_read(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "error.txt"
    if content is not None:
        path.write_text(content)
    trial = SimpleNamespace(error_file=str(path) if content is not None else None)
    assert ray_internals.failure_of(trial) == said  # type: ignore[arg-type]


def test_a_placement_group_can_still_be_sent_to_a_node() -> None:
    assert "_soft_target_node_id" in inspect.signature(placement_group).parameters, SAID


def test_tune_still_puts_mixins_around_a_function() -> None:
    def trainable(config: dict[str, object]) -> None:
        pass

    wrapped = wrap_function(ray_internals.ending_stuck_workers(trainable))
    assert "_Reused" in [base.__name__ for base in wrapped.__mro__], SAID
    assert wrapped.reset_config.__qualname__.startswith("_Reused"), SAID
    assert "TUNE_FUNCTION_THREAD_TIMEOUT_S" in inspect.getsource(inspect.getmodule(wrap_function)), SAID


@pytest.mark.parametrize("name", ["gcs_address", "get_node_id"])
def test_the_lifelines_are_still_public(name: str) -> None:
    assert hasattr(ray.runtime_context.RuntimeContext, name), SAID


def test_ray_packs_no_working_folder_under_uv_run() -> None:
    """`search.on_ray.environment` switches it off, as tests/conftest.py does for this process."""
    assert ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV is False, SAID


def test_tune_asks_for_workers_that_ray_has_started_already(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE"):
        monkeypatch.setattr(class_cache, name, getattr(class_cache, name).copy())
    monkeypatch.setenv("AWS_SESSION_TOKEN", "any")

    def asked() -> str:
        actor = class_cache._ActorClassCache().get(wrap_function(lambda _config: None))
        return RuntimeEnv(**actor._default_options["runtime_env"]).serialize()

    assert "AWS_SESSION_TOKEN" in asked(), SAID
    ray_internals.use_started_workers()
    assert asked() == RuntimeEnv().serialize(), SAID


def test_the_folder_of_the_driver_can_still_be_kept_off_the_path_of_workers() -> None:
    job = ray_internals.of_the_driver()["job_config"]
    assert job._py_driver_sys_path == [str(ROOT)]
    assert "if not job_config._client_job and not job_config._runtime_env" in inspect.getsource(worker.connect), SAID


def test_processes_can_still_be_killed_without_a_signal_first() -> None:
    assert "allow_graceful" in inspect.signature(Node.kill_all_processes).parameters, SAID
    assert "_global_node.kill_all_processes(" in inspect.getsource(worker.shutdown), SAID


def test_tune_still_keeps_as_many_idle_workers_as_it_is_told_to() -> None:
    def kept(told: int) -> int:
        cache = _ObjectCache(may_keep_one=True)
        ray_internals.keep_workers(SimpleNamespace(_actor_cache=cache), "resources", told)
        return sum(cache.cache_object("resources", worker) for worker in "ab") - len(list(cache.flush_cached_objects()))

    assert [kept(told) for told in (0, 2)] == [1, 2], SAID
    assert "self._actor_cache = _ObjectCache(may_keep_one=True)" in inspect.getsource(TuneController.__init__), SAID
    assert "force_all" in inspect.signature(TuneController._cleanup_cached_actors).parameters, SAID


def test_tune_still_forgets_the_trials_that_have_ended() -> None:
    stopped, failed, running = trials = [Trial("any", stub=True) for _ in range(3)]
    for trial, status in zip(trials, (Trial.TERMINATED, Trial.ERROR, Trial.RUNNING), strict=True):
        trial.status = status
    controller = SimpleNamespace(
        _trials=trials, _stopped_trials={stopped}, _failed_trials={failed}, _trials_to_cache={stopped, running},
        _live_trials={failed, running}, _resetting_trials={failed, running},
    )  # fmt: skip
    ray_internals.forget_ended_trials(controller)
    assert trials == [running]
    assert not (controller._stopped_trials | controller._failed_trials)
    assert controller._trials_to_cache == controller._live_trials == controller._resetting_trials == {running}
    for name in vars(controller):
        assert re.search(rf"self\.{name}\b", inspect.getsource(TuneController.__init__)), SAID


def test_ray_still_says_that_a_worker_was_lost_with_its_machine(tmp_path: Path) -> None:
    """`make chaos` loses real machines; the words of the first are the GCS's own, which is no Python."""
    unavailable = str(ActorUnavailableError("recvmsg: Connection reset by peer", None))
    dead = "The actor died unexpectedly.\nThe actor died because its node has died. Node Id: 1"
    worker = "The actor died unexpectedly.\nThe actor is dead because its worker process has died."
    found = []
    for number, said in enumerate((unavailable, dead, worker)):
        (tmp_path / str(number)).write_text(f"Failure # 1 (occurred at noon)\n{said}\n")
        trial: Any = SimpleNamespace(error_file=str(tmp_path / str(number)))
        found.append(ray_internals.died_with_its_machine(trial))
    assert found == [True, True, False], SAID
