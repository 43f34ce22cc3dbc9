"""The study on disk as two pandas tables, one row per trial and one per epoch, so that any question takes one line."""

import statistics
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from model.hyperparameters import Hyperparameters, role
from search.experiment import Experiment
from search.store.records import TrialRecord, read_trials
from search.store.resolved import load_resolved
from search.store.study import CONFIRM, OF_RECIPE, SEARCH

INTEGER, FLOAT, BOOLEAN, TEXT, TIME = "Int64", "float64", "boolean", "string", "datetime64[us, UTC]"


class Column(NamedTuple):
    """The contents of a column: its pandas dtype, its unit ("" for none) and its meaning."""

    dtype: str
    unit: str
    meaning: str


def _hyperparameter_columns() -> dict[str, Column]:
    """Return a column for each hyperparameter, described by what its field declares."""
    columns = {}
    for name, field in Hyperparameters.model_fields.items():
        dtype = {int: INTEGER, float: FLOAT, bool: BOOLEAN, str: TEXT}[type(field.default)]
        columns[name] = Column(dtype, role(field).unit, f"hyperparameter: {field.description}")
    return columns


TRIAL_COLUMNS: dict[str, Column] = {
    "number": Column(INTEGER, "", "the trial's number, from 0, in the order in which trials were suggested"),
    "state": Column(TEXT, "", "complete, pruned, failed, paused, running or interrupted"),
    "val_accuracy": Column(FLOAT, "fraction", "validation accuracy after the trial's last epoch; NaN before its first"),
    "train_loss": Column(FLOAT, "nats/image", "mean training loss in the last epoch"),
    "val_loss": Column(FLOAT, "nats/image", "mean validation loss after the last epoch"),
    "epochs_run": Column(INTEGER, "epochs", "finished epochs; `epochs` below is the planned number"),
    **_hyperparameter_columns(),
    "num_parameters": Column(INTEGER, "", "trainable parameters of the network"),
    "milliseconds_per_image": Column(
        FLOAT,
        "ms",
        "time of one image alone through the exported network, on one CPU thread of the node below; NaN in older runs",
    ),
    "seconds": Column(FLOAT, "s", "sum over the epochs, evaluation included"),
    "images_per_second": Column(FLOAT, "images/s", "training speed, median over the epochs"),
    "clock": Column(FLOAT, "s", "search time until the end of the last epoch, over all sessions and without pauses"),
    "started": Column(TIME, "UTC", "when the trial began"),
    "ended": Column(TIME, "UTC", "when the trial ended; NaT while it has not"),
    "seed": Column(INTEGER, "", "seed of the trial's random numbers"),
    "retries": Column(INTEGER, "", "how often the trial went on after its worker died"),
    "damaged": Column(TEXT, "", "what was wrong with a checkpoint that could not be used; NA where nothing was"),
    "node": Column(TEXT, "", "machine that ran the trial"),
    "device": Column(TEXT, "", "cpu or the GPU's name"),
    "gpu": Column(TEXT, "", "numbers of the GPUs used, joined by commas; NA on a CPU"),
    "broken_constraint": Column(
        TEXT, "", "the limit that the trial exceeded, so that it ended early; NA where it did not"
    ),
    "error": Column(TEXT, "", "why the trial failed; NA where it did not"),
}
CONFIRM_COLUMNS: dict[str, Column] = {
    "candidate": Column(
        INTEGER, "", "confirmation only: number of the search trial that was trained again; NA: the recipe"
    ),
    "run": Column(INTEGER, "", "confirmation only: which of the fresh seeds, from 1; equal ones make pairs"),
}
EPOCH_COLUMNS: dict[str, Column] = {
    "number": Column(INTEGER, "", "the trial's number"),
    "state": Column(TEXT, "", "the trial's state, as in the trial table"),
    "epoch": Column(INTEGER, "", "epoch, from 1"),
    "train_loss": Column(FLOAT, "nats/image", "mean training loss in this epoch"),
    "val_loss": Column(FLOAT, "nats/image", "mean validation loss after this epoch"),
    "val_accuracy": Column(FLOAT, "fraction", "validation accuracy after this epoch"),
    "seconds": Column(FLOAT, "s", "duration of this epoch, evaluation included"),
    "images_per_second": Column(FLOAT, "images/s", "training speed in this epoch"),
    "clock": Column(FLOAT, "s", "search time until the end of this epoch, over all sessions and without pauses"),
}


def trial_table(run_dir: Path | str, study: str = SEARCH) -> pd.DataFrame:
    """Return the trials of a run, one row per trial that has begun, in the order of their numbers.

    The columns, their dtypes and units are those of `TRIAL_COLUMNS`, for the study "confirm" followed by
    `CONFIRM_COLUMNS`, even if the study is empty.

    Raises:
        ConfigError: `run_dir` is not a run.
    """
    records = read_trials(Path(run_dir), study)
    return trials_of(records, load_resolved(Path(run_dir)), study)


def epoch_table(run_dir: Path | str, study: str = SEARCH) -> pd.DataFrame:
    """Return the epochs of a run's trials, one row per trial and epoch; the columns are those of `EPOCH_COLUMNS`.

    Raises:
        ConfigError: `run_dir` is not a run.
    """
    return epochs_of(read_trials(Path(run_dir), study))


def trials_of(records: list[TrialRecord], experiment: Experiment, study: str = SEARCH) -> pd.DataFrame:
    """Return the trial table of records already read, so that several tables can show the same moment."""
    columns = {**TRIAL_COLUMNS, **(CONFIRM_COLUMNS if study == CONFIRM else {})}
    fixed = experiment.space.fixed
    begun = [record for record in records if record.state != "waiting"]
    return _frame([_trial_row(record, fixed) for record in begun], columns)


def epochs_of(records: list[TrialRecord]) -> pd.DataFrame:
    """Return the epoch table of records already read."""
    rows = []
    for record in records:
        rows += [{**metrics, "number": record.number, "state": record.state} for metrics in record.epochs]
    return _frame(rows, EPOCH_COLUMNS)


def _trial_row(record: TrialRecord, fixed: dict[str, Any]) -> dict[str, Any]:
    last = record.epochs[-1] if record.epochs else {}
    differences = record.attributes.get(OF_RECIPE)
    recipe = None if differences is None else Hyperparameters(**differences)
    speeds = [metrics["images_per_second"] for metrics in record.epochs]
    return {
        **record.attributes,
        **fixed,
        **record.params,
        **(recipe.model_dump() if recipe else {}),
        **{name: last.get(name) for name in ("val_accuracy", "train_loss", "val_loss", "clock")},
        "number": record.number,
        "state": record.state,
        "epochs_run": len(record.epochs),
        "seconds": sum(metrics["seconds"] for metrics in record.epochs),
        "images_per_second": statistics.median(speeds) if speeds else None,
        "retries": record.attributes.get("retries", 0),
        "gpu": ",".join(map(str, record.attributes.get("gpu") or [])) or None,
    }


def _frame(rows: list[dict[str, Any]], columns: dict[str, Column]) -> pd.DataFrame:
    """Return a table of exactly `columns`, in which values that a row lacks are missing."""
    series = {}
    for name, column in columns.items():
        series[name] = _series([row.get(name) for row in rows], column.dtype)
    return pd.DataFrame(series)


def _series(values: list[Any], dtype: str) -> pd.Series:
    if dtype == TIME:
        return pd.to_datetime(pd.Series(values, dtype=FLOAT), unit="s", utc=True).astype(TIME)
    return pd.Series(values, dtype=dtype)
