"""The status of a run at one moment, of a live, dead or finished one: counts, the best, what runs, how long still."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from model.card import where_it_lies
from search.experiment import Experiment
from search.progress.plan import Stages, StageStatus, is_at_work, planned_epochs, seconds_left, stages_of, wanted_trials
from search.progress.wording import name_of
from search.store.failures import Failures, failures_of
from search.store.location import is_driven
from search.store.records import read_frozen, record_of, run_state, state_of
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, SEARCH, STUDIES, epochs_of
from search.winner import find_winner, has_learned


@dataclass(frozen=True)
class RunningTrial:
    """A trial in the hands of a worker; `accuracies` are its validation accuracies so far, as fractions."""

    name: str
    epochs: int  # planned
    accuracies: list[float]
    images_per_second: float | None
    place: str  # machine and GPU


@dataclass(frozen=True)
class BestTrial:
    """The complete trial of the search with the highest validation accuracy."""

    name: str
    accuracy: float
    params: dict[str, Any]


@dataclass(frozen=True)
class Status:
    """What is known of a run. Times are in seconds; `left` is over the whole run, None where nothing foretells it."""

    run: str
    state: str  # running, finished, interrupted or waiting
    stages: list[StageStatus]
    counts: dict[str, int]  # of the search's trials, by state
    best: BestTrial | None
    running: list[RunningTrial]
    epochs: int  # trained in the search
    saved: int  # epochs that trials which were stopped early did not train
    seconds: float  # of searching
    left: float | None
    elapsed: float | None = None  # since the command began; None where another process looks
    failures: Failures | None = None
    learned: bool | None = None  # whether the winner so far is better than chance; None without a winner


def read_status(run_dir: Path) -> Status:
    """Return the status of a run by what is stored. Raises ConfigError where `run_dir` is not a run."""
    driven = is_driven(run_dir)
    stages = {name: read_frozen(run_dir, name) for name in STUDIES}
    exported = where_it_lies(run_dir / "export").exists()
    return status_of(run_dir.absolute().name, load_resolved(run_dir), stages, driven=driven, exported=exported)


def status_of(name: str, experiment: Experiment, stages: Stages, *, driven: bool, exported: bool = False) -> Status:
    """Return the status of a run whose stages have these trials; `driven` says whether a driver is at work on it."""
    searched = stages[SEARCH]
    counts = Counter(state_of(trial, driven) for trial in searched)
    wanted = wanted_trials(experiment, searched)
    plans = stages_of(experiment, stages, wanted=wanted, driven=driven, exported=exported)
    states = [state_of(trial, driven) for trials in stages.values() for trial in trials]
    whole, limited = len(searched) >= wanted, experiment.resources.max_minutes is not None
    epochs, planned = _epochs(experiment, searched)
    records = {stage: [record_of(trial, driven) for trial in trials] for stage, trials in stages.items()}
    return Status(
        run=name,
        state=run_state(states, driven=driven, whole=whole, limited=limited, exported=exported),
        stages=plans,
        counts=dict(counts),
        best=_best(searched),
        running=[_running(experiment, trial) for trials in stages.values() for trial in trials if is_at_work(trial)]
        if driven
        else [],
        epochs=epochs,
        saved=planned - epochs,
        seconds=max((metrics["clock"] for trial in searched for metrics in epochs_of(trial)), default=0.0),
        left=seconds_left(experiment, stages, plans) if driven else None,
        failures=failures_of(records),
        learned=has_learned(experiment, find_winner(records[SEARCH], records[CONFIRM])),
    )


def _running(experiment: Experiment, trial: FrozenTrial) -> RunningTrial:
    metrics, about = epochs_of(trial), trial.user_attrs
    gpus = ",".join(map(str, about.get("gpu") or []))
    return RunningTrial(
        name=_name(trial),
        epochs=planned_epochs(experiment, trial),
        accuracies=[epoch["val_accuracy"] for epoch in metrics],
        images_per_second=metrics[-1]["images_per_second"] if metrics else None,
        place=f"{about.get('node', '')}{f' GPU {gpus}' if gpus else ''}",
    )


def _best(searched: list[FrozenTrial]) -> BestTrial | None:
    done = [trial for trial in searched if trial.state == TrialState.COMPLETE]
    if not done:
        return None
    best = max(done, key=lambda trial: (trial.value or 0.0, -trial.number))
    return BestTrial(_name(best), best.value or 0.0, best.params)


def _epochs(experiment: Experiment, searched: list[FrozenTrial]) -> tuple[int, int]:
    """Return the epochs that were trained, and those that settled trials to their end would have taken besides."""
    trained = planned = 0
    for trial in searched:
        reached = len(trial.intermediate_values)
        trained += reached
        stopped = trial.state == TrialState.PRUNED
        planned += planned_epochs(experiment, trial) if stopped else reached
    return trained, planned


def _name(trial: FrozenTrial) -> str:
    return " ".join(name_of(trial).split())
