"""One run, read once, so that every number and figure of a report tells of the same moment."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.tables import epochs_of, trials_of
from model.card import ExportError, read_card, where_it_lies
from model.errors import ConfigError
from search.experiment import Experiment
from search.store.location import is_driven, is_run
from search.store.records import TrialRecord, read_frozen, read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, SEARCH
from search.winner import failures, find_winner


@dataclass(frozen=True)
class Run:
    """What is known of a run: its configuration, its tables, and, once exported, the winner's model.json."""

    name: str
    path: Path
    configuration: str
    experiment: Experiment
    live: bool
    read_at: datetime
    trials: pd.DataFrame
    epochs: pd.DataFrame
    confirm: pd.DataFrame
    failures: list[str]  # a sentence for each candidate of which confirmation runs failed
    winner: int | None  # number of the trial that leads
    saved: str | None  # why the search ended before its last trial, where search.stop ended it
    model: dict[str, Any]
    environment: dict[str, Any]


def read_run(run_dir: Path) -> Run:
    """Return all that a report needs of a run. Raises ConfigError where `run_dir` is not a run."""
    # Liveness first: a search that ends while we read is then called running, never wrongly interrupted.
    live = is_run(run_dir) and is_driven(run_dir)
    records, confirmed = read_trials(run_dir, SEARCH), read_trials(run_dir, CONFIRM)
    model = _model(run_dir / "export")
    experiment = load_resolved(run_dir)
    return Run(
        name=run_dir.absolute().name,
        path=run_dir,
        configuration=(run_dir / "experiment.toml").read_text(encoding="utf-8"),
        experiment=experiment,
        live=live,
        read_at=datetime.now(UTC),
        trials=trials_of(records, experiment),
        epochs=epochs_of(records),
        confirm=trials_of(confirmed, experiment, CONFIRM),
        failures=failures(records, confirmed),
        winner=_winner(model, records, confirmed),
        saved=_saved(run_dir, experiment),
        model=model,
        environment=_json(run_dir / "environment.json"),
    )


def _winner(model: dict[str, Any], records: list[TrialRecord], confirmed: list[TrialRecord]) -> int | None:
    """Return the candidate that was exported; before there is an export, the one that leads so far."""
    exported = model.get("provenance", {}).get("source", {}).get("candidate")
    if exported is not None:
        return int(exported)
    leading = find_winner(records, confirmed)
    return leading.candidate if leading else None


def _saved(run_dir: Path, experiment: Experiment) -> str | None:
    """Return why the search ended before its last trial, and what that saved; None where it did not."""
    stopping = experiment.stopping(experiment.images)
    trials = read_frozen(run_dir, SEARCH)
    if stopping is None or len(trials) >= experiment.search.trials or not stopping.has_enough(trials):
        return None
    return stopping.saved(trials)


def _model(export: Path) -> dict[str, Any]:
    if not where_it_lies(export).exists():
        return {}
    try:
        return read_card(export).model_dump()
    except ExportError as error:
        raise ConfigError(str(error)) from None


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return table
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: can't be read as JSON ({error}); restore it or delete it") from None
