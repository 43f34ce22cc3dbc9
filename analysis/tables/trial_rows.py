"""The trials and epochs of a study as rows: their columns, and how records that were read become tables."""

import statistics
from typing import Any

import pandas as pd

from analysis.tables.columns import BOOLEAN, DURATION, FLOAT, INTEGER, TEXT, TIME, Column, choice, choice_of, frame
from model.hyperparameters import Hyperparameters, role
from search.experiment import Experiment
from search.store.records import TrialRecord
from search.store.study import CONFIRM, OF_RECIPE, SEARCH

STATE = choice("complete", "pruned", "failed", "paused", "running", "interrupted")


def _hyperparameter_columns() -> dict[str, Column]:
    """Return a column for each hyperparameter, described by what its field declares."""
    columns = {}
    for name, field in Hyperparameters.model_fields.items():
        kind = type(field.default)
        dtype = choice_of(field.annotation) if kind is str else {int: INTEGER, float: FLOAT, bool: BOOLEAN}[kind]
        columns[name] = Column(dtype, role(field).unit, f"hyperparameter: {field.description}")
    return columns


TRIAL_COLUMNS: dict[str, Column] = {
    "number": Column(INTEGER, "", "the trial's number, from 0, in the order in which trials were suggested"),
    "state": Column(STATE, "", "complete, pruned, failed, paused, running or interrupted"),
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
    "duration": Column(DURATION, "", "training time: sum over the epochs, evaluation included"),
    "images_per_second": Column(FLOAT, "images/s", "training speed, median over the epochs"),
    "clock": Column(DURATION, "", "search time until the end of the last epoch, over all sessions and without pauses"),
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
    "state": Column(STATE, "", "the trial's state, as in the trial table"),
    "epoch": Column(INTEGER, "", "epoch, from 1"),
    "train_loss": Column(FLOAT, "nats/image", "mean training loss in this epoch"),
    "val_loss": Column(FLOAT, "nats/image", "mean validation loss after this epoch"),
    "val_accuracy": Column(FLOAT, "fraction", "validation accuracy after this epoch"),
    "duration": Column(DURATION, "", "training time of this epoch, evaluation included"),
    "images_per_second": Column(FLOAT, "images/s", "training speed in this epoch"),
    "clock": Column(DURATION, "", "search time until the end of this epoch, over all sessions and without pauses"),
}


def trials_of(records: list[TrialRecord], experiment: Experiment, study: str = SEARCH) -> pd.DataFrame:
    """Return the trial table of records already read, so that several tables can show the same moment."""
    columns = {**TRIAL_COLUMNS, **(CONFIRM_COLUMNS if study == CONFIRM else {})}
    fixed = experiment.space.fixed
    begun = [record for record in records if record.state != "waiting"]
    return frame([_trial_row(record, fixed) for record in begun], columns)


def epochs_of(records: list[TrialRecord]) -> pd.DataFrame:
    """Return the epoch table of records already read."""
    rows = []
    for record in records:
        for metrics in record.epochs:
            about = {"number": record.number, "state": record.state, "duration": metrics["seconds"]}
            rows.append({**metrics, **about})
    return frame(rows, EPOCH_COLUMNS)


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
        "duration": sum(metrics["seconds"] for metrics in record.epochs),
        "images_per_second": statistics.median(speeds) if speeds else None,
        "retries": record.attributes.get("retries", 0),
        "gpu": ",".join(map(str, record.attributes.get("gpu") or [])) or None,
    }
