"""One epoch of a trial, as its worker reports it: all that it says is stored at once, with the decision after it."""

from typing import Any

from optuna.pruners import NopPruner

from model.train import EpochMetrics
from search.decisions import GOES_ON, Decision, carry_out, decision_after
from search.progress import Progress
from search.store import checkpoints, object_store
from search.store.stage import Stage
from search.strategy.constraint import BROKEN, LATENCY, broken_by


def record(
    stage: Stage, progress: Progress, number: int, result: dict[str, Any], checkpoint: str | None, clock: float
) -> Decision:
    """Write all that one epoch's result says in one transaction, the trial's end included; return what becomes of it.

    `checkpoint` is where a new one lies, if there is one, and `clock` are the seconds of searching so far.
    """
    study, unneeded = stage.study, []
    with study.event():
        _record_about(stage, progress, number, result)
        metrics = {name: result[name] for name in EpochMetrics.__dataclass_fields__}
        study.record_epoch(number, {**metrics, "clock": clock})
        if checkpoint:
            unneeded = checkpoints.remember(stage.checkpoints, study, number, checkpoint, result["epoch"])
            if study.trial(number).user_attrs.get("deaths_in_a_row"):
                study.set_attributes(number, deaths_in_a_row=0)
        trial = study.trial(number)
        decision = decision_after(stage, trial, result["epoch"])
        if decision != GOES_ON:
            carry_out(stage, decision, trial)
        elif not isinstance(study.study.pruner, NopPruner):
            # Decided: should this epoch be trained again, later peers must not judge it.
            study.set_attributes(number, passed=max(result["epoch"], trial.user_attrs.get("passed", 0)))
    for folder in unneeded:
        object_store.delete(folder)
    return decision


def _record_about(stage: Stage, progress: Progress, number: int, result: dict[str, Any]) -> None:
    """Store where a trial runs, how fast its network is, and what was wrong with a checkpoint; warn of either."""
    about = {key.removeprefix("about/"): value for key, value in result.items() if key.startswith("about/")}
    known = stage.study.trial(number).user_attrs
    if LATENCY in known:
        about.pop(LATENCY, None)  # its first epoch was trained again; the decision on it stands
    elif reason := broken_by(about.get(LATENCY), stage.max_milliseconds_per_image):
        about[BROKEN] = reason
    if "damaged" in result:
        about["damaged"] = result["damaged"]
        progress.warn(f"trial {number}: {result['damaged']}")
    stage.study.set_attributes(number, **about)
