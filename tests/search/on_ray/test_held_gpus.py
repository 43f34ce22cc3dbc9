"""GPUs that are left out are held, in a real Ray with declared ones: no trial is put there, and no CPU is taken."""

import ray

from search.on_ray.held_gpus import hold


def test_just_the_faulty_gpus_are_held(declared_gpus: None) -> None:
    [node] = ray.nodes()
    held = hold(node["NodeID"], 4, ["1", "3"])

    @ray.remote(num_gpus=1, num_cpus=0)
    class Trial:
        def gpu(self) -> str:
            return str(ray.get_runtime_context().get_accelerator_ids()["GPU"][0])

    trials = [Trial.remote() for _ in range(3)]  # type: ignore[attr-defined]
    ready, waiting = ray.wait([trial.gpu.remote() for trial in trials], num_returns=2, timeout=120)
    assert {ray.get(answer) for answer in ready} == {"0", "2"}
    assert len(waiting) == 1
    assert ray.available_resources().get("CPU") == 8
    for actor in [*held, *trials]:
        ray.kill(actor)
