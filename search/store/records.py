"""The trials of a run as a person sees them, read from the database alone: of a running, killed or finished run."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from search.store import optuna_tables
from search.store.location import check_run, is_driven, shared_study
from search.store.own_database import reading_own
from search.store.shared_database import reading_shared
from search.store.study import EPOCH, SEARCH
from search.strategy.promotion import is_paused

RunState = Literal["waiting", "running", "interrupted", "finished"]
UNFINISHED = {"interrupted", "waiting"}  # states of trials that nobody works on and that are not over
ENDED = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class TrialRecord:
    """One trial as a person sees it. `state` is complete, pruned, failed, paused, running, interrupted or waiting."""

    number: int
    state: str
    value: float | None
    params: dict[str, Any]
    epochs: list[dict[str, Any]]
    attributes: dict[str, Any] = field(default_factory=dict)


def read_trials(run_dir: Path, name: str = SEARCH) -> list[TrialRecord]:
    """Return all trials of a run's study `name`, in the order of their numbers. Raises ConfigError.

    Another process may write to the study meanwhile.
    """
    check_run(run_dir)
    live = is_driven(run_dir)
    return [record_of(trial, live) for trial in read_frozen(run_dir, name)]


def read_frozen(run_dir: Path, name: str = SEARCH) -> list[FrozenTrial]:
    """Return what `read_trials` does, as trials of Optuna's."""
    check_run(run_dir)
    shared = shared_study(run_dir)
    if shared is None:
        with reading_own(run_dir / "study.db") as connection:
            return list(optuna_tables.read_study(connection, name).values())
    with reading_shared(shared.url) as connection:
        begun = sqlalchemy.inspect(connection).has_table("studies")
        return list(optuna_tables.read_study(connection, f"{shared.name}/{name}").values()) if begun else []


def record_of(trial: FrozenTrial, live: bool) -> TrialRecord:
    """Return an Optuna trial as a person sees it; `live` says whether a driver is at work on the study."""
    epochs, attributes = [], {}
    for key, value in trial.user_attrs.items():
        if key.startswith(EPOCH):
            epochs.append(value)
        else:
            attributes[key] = value
    epochs.sort(key=lambda metrics: int(metrics["epoch"]))
    return TrialRecord(trial.number, state_of(trial, live), trial.value, trial.params, epochs, attributes)


def state_of(trial: FrozenTrial, driven: bool) -> str:
    """Return a trial's state as a person sees it; `driven` says whether a driver is at work on its study."""
    if trial.state.is_finished():
        return ENDED[trial.state]
    if is_paused(trial):
        return "paused"
    if driven and trial.state == TrialState.RUNNING:
        return "running"
    return "interrupted" if "started" in trial.user_attrs else "waiting"


def run_state(states: Collection[str], *, driven: bool, whole: bool, limited: bool, exported: bool) -> RunState:
    """Return the state of a run as a person sees it.

    `states` are those of the trials of all its stages, and `whole` says whether all trials that its search wants are
    among them, of which a search that is `limited` in its time may lack some. Where all failed nothing can be exported.
    """
    if driven:
        return "running"
    enough, over = whole or (limited and exported), exported or set(states) == {"failed"}
    if enough and over and UNFINISHED.isdisjoint(states):
        return "finished"
    return "interrupted" if states else "waiting"
