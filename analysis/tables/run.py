"""One run, read once, so that every number and figure of a report tells of the same moment."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.numbers.confirmation import confirmation
from analysis.numbers.importance import importance
from analysis.numbers.network import Network
from analysis.tables.network import read_network
from analysis.tables.trial_rows import epochs_of, trials_of
from model.card import ExportError, read_card, where_it_lies
from model.errors import ConfigError
from search.experiment import Experiment
from search.store.candidates import Candidate, candidates_of, ranked, recipe_of
from search.store.failures import Failures, failures_of
from search.store.location import is_driven, is_run
from search.store.records import RunState, read_frozen, read_trials, run_state
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, PICKED, REFIT, SEARCH
from search.winner import Winner, failures, find_winner


@dataclass(frozen=True)
class Run:
    """What is known of a run: its configuration, its tables, and, once exported, the winner's model.json."""

    name: str
    path: Path
    configuration: str
    experiment: Experiment
    live: bool
    state: RunState
    read_at: datetime
    trials: pd.DataFrame
    epochs: pd.DataFrame
    confirm: pd.DataFrame
    refits: pd.DataFrame
    candidates: list[Candidate]  # that were trained again, the winner first
    recipe: Candidate | None  # the article's recipe beside them
    picked: list[Candidate]  # trials that were trained again because a person picked them
    confirmation: pd.DataFrame  # means and intervals of the candidates
    failed: Failures | None  # what failed in all stages
    failures: list[str]  # a sentence for each candidate of which confirmation runs failed
    winner: int | None  # number of the trial that is exported or, before there is an export, that leads
    leading: Winner | None  # the winner by the stored trials alone
    early_end: str | None  # why the search ended before its last trial, where search.stop ended it
    model: dict[str, Any]
    network: Network | None  # that was exported
    environment: dict[str, Any]

    @cached_property
    def importance(self) -> tuple[pd.Series | None, str]:
        """Return the importance of each searched hyperparameter, and of what (`analysis.numbers.importance`)."""
        return importance(self.trials, self.epochs, self.experiment.space)

    @property
    def dataset(self) -> str:
        """Return the name of the data set that the run was trained on, which may be the stand-in."""
        return str(self.experiment.automatic.get("dataset", self.experiment.data.dataset))

    @property
    def planned(self) -> int:
        """Return how many trials the search is to have."""
        return len(self.trials) if self.early_end else self.experiment.search.trials


def read_run(run_dir: Path) -> Run:
    """Return all that a report needs of a run. Raises ConfigError where `run_dir` is not a run."""
    # Liveness first: a search that ends while we read is then called running, never wrongly interrupted.
    live = is_run(run_dir) and is_driven(run_dir)
    records, confirmed, refits, picked = (read_trials(run_dir, study) for study in (SEARCH, CONFIRM, REFIT, PICKED))
    model, network = _exported(run_dir / "export")
    experiment = load_resolved(run_dir)
    candidates, leading = ranked(candidates_of(confirmed)), find_winner(records, confirmed)
    early_end = _early_end(run_dir, experiment)
    whole = early_end is not None or len(records) >= experiment.search.trials
    limited = experiment.resources.max_minutes is not None
    states = [record.state for record in (*records, *confirmed, *refits, *picked)]
    return Run(
        name=run_dir.absolute().name,
        path=run_dir,
        configuration=(run_dir / "experiment.toml").read_text(encoding="utf-8"),
        experiment=experiment,
        live=live,
        state=run_state(states, driven=live, whole=whole, limited=limited, exported=bool(model)),
        read_at=datetime.now(UTC),
        trials=trials_of(records, experiment),
        epochs=epochs_of(records),
        confirm=trials_of(confirmed, experiment, CONFIRM),
        refits=trials_of(refits, experiment),
        candidates=candidates,
        recipe=recipe_of(confirmed),
        picked=candidates_of(picked),
        confirmation=confirmation(candidates),
        failed=failures_of({SEARCH: records, CONFIRM: confirmed, REFIT: refits, PICKED: picked}),
        failures=failures(records, confirmed),
        winner=_winner(model, leading),
        leading=leading,
        early_end=early_end,
        model=model,
        network=network,
        environment=_json(run_dir / "environment.json"),
    )


def repeats_of(run: Run, number: int | None) -> Candidate | None:
    """Return the runs of a trial on fresh seeds; None where none is complete."""
    found = [candidate for candidate in (*run.candidates, *run.picked) if candidate.number == number]
    return next((candidate for candidate in found if candidate.complete), None)


def _winner(model: dict[str, Any], leading: Winner | None) -> int | None:
    """Return the candidate that was exported; before there is an export, the one that leads so far."""
    exported = model.get("provenance", {}).get("source", {}).get("candidate")
    if exported is not None:
        return int(exported)
    return leading.candidate if leading else None


def _early_end(run_dir: Path, experiment: Experiment) -> str | None:
    """Return why the search ended before its last trial, and what that saved; None where it did not."""
    stopping = experiment.stopping(experiment.images)
    if stopping is None:
        return None  # most searches; the study need not be read again for them
    trials = read_frozen(run_dir, SEARCH)
    ended = len(trials) < experiment.search.trials and stopping.has_enough(trials)
    return stopping.reason(trials) if ended else None


def _exported(export: Path) -> tuple[dict[str, Any], Network | None]:
    """Return the card of an export and what can be seen of its network; an empty one and None where there is none."""
    if not where_it_lies(export).exists():
        return {}, None
    try:
        card = read_card(export)
        return card.model_dump(), read_network(export, card)
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
