"""What a run chooses for itself: its precision as it begins, and once its machines are known the CPUs of a trial."""

from typing import Any

from model import precision
from model.threads import fastest_threads
from search.space import largest
from search.stages.running import Engine, Run
from search.store.folder import write_resolved
from search.store.resolved import load_resolved

MANY = 1_000_000  # trials: more than any machine has slots


def as_it_begins(wanted: Any, address: str | None) -> dict[str, Any]:
    """Return what is chosen as a run begins, before any machine of a cluster at `address` is known."""
    return {"precision": precision.resolved(wanted, alone=address is None)}


def note_engine(run: Run, engine: Engine, trials: int) -> None:
    """Write into experiment.toml what is chosen for the engine and so many trials. Raises ConfigError."""
    cpus = _cpus_per_trial(run, engine, trials)
    chosen = {
        "gpus": engine.gpus,
        "trials_per_gpu": engine.per_gpu,
        "concurrent_trials": engine.concurrent(trials, cpus),
        "slots": engine.concurrent(MANY, cpus),
    }
    if run.experiment.resources.cpus_per_trial == "auto":
        chosen["cpus_per_trial"] = cpus
    write_resolved(run.run_dir, run.experiment, run.dataset, run.digest, chosen)


def _cpus_per_trial(run: Run, engine: Engine, trials: int) -> int:
    """Return the CPUs of a trial. With "auto" it has more than one only where they would be idle, and by measurement.

    As results depend on it in the last digits, what was chosen first stays, as far as a smaller machine allows. On a
    cluster, whose machines may differ, it is one.
    """
    wanted = run.experiment.resources.cpus_per_trial
    if wanted != "auto":
        return wanted
    if chosen := load_resolved(run.run_dir).automatic.get("cpus_per_trial"):
        return min(int(chosen), engine.most_cpus)
    most = min(engine.most_cpus, engine.cpus // trials)
    if engine.gpus or engine.machines > 1 or most < 2:
        return 1
    return fastest_threads(largest(run.experiment.space), run.dataset, most, run.precision)
