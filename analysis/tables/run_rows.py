"""A run as one row: its columns, and how what is known of runs becomes the table that compares them."""

import math
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from analysis.numbers.confirmation import confirmation
from analysis.numbers.outlook import epochs_saved
from analysis.tables.columns import DURATION, FLOAT, INTEGER, TEXT, TIME, Column, choice, choice_of, frame
from analysis.tables.run import Run, read_run, repeats_of
from analysis.tables.trial_rows import STATE
from analysis.tables.winner import gain, winner_accuracy
from model.catalogue import FALLBACK, DatasetName
from model.precision import Precision
from search.store.records import RunState
from search.strategy.pruner import PrunerName
from search.strategy.sampler import SamplerName

RUN_COLUMNS: dict[str, Column] = {
    "name": Column(TEXT, "", "the run's name: that of its folder"),
    "path": Column(TEXT, "", "the run's folder, as it was given"),
    "state": Column(
        choice_of(RunState), "", "waiting, running, interrupted or finished, as for `python -m search status`"
    ),
    "started": Column(TIME, "UTC", "when the search's first trial began"),
    "ended": Column(TIME, "UTC", "when the last trial that has ended did so, those trained again included"),
    "num_planned": Column(INTEGER, "", "trials that the search is to have: fewer than asked for, once it ended early"),
    "num_begun": Column(INTEGER, "", "trials that have begun: the rows of the trial table"),
    **{f"num_{state}": Column(INTEGER, "", f"of these, {state} ones") for state in STATE.categories},
    "epochs_run": Column(INTEGER, "epochs", "finished epochs of all trials of the search"),
    "epochs_saved": Column(INTEGER, "epochs", "epochs that trials which were stopped early did not train"),
    "duration": Column(DURATION, "", "training time of the search: sum over its trials, however many run at once"),
    "confirm_duration": Column(DURATION, "", "training time of the confirmation"),
    "refit_duration": Column(DURATION, "", "training time of the refit"),
    "clock": Column(DURATION, "", "time of searching, over all sessions and without pauses"),
    "dataset": Column(choice(*get_args(DatasetName), FALLBACK), "", "the images; uci-digits is the stand-in"),
    "train_images": Column(INTEGER, "images", "images that each trial is trained on"),
    "validation_images": Column(INTEGER, "images", "images that validation accuracies are measured on"),
    "num_searched": Column(INTEGER, "", "hyperparameters searched"),
    "sampler": Column(choice_of(SamplerName), "", "tpe, random, qmc or gp"),
    "pruner": Column(choice_of(PrunerName), "", "halving, promote, median or none"),
    "precision": Column(choice_of(Precision), "", "what was computed in: float32 or bfloat16"),
    "seed": Column(INTEGER, "", "seed of the whole search"),
    "winner": Column(INTEGER, "", "number of the trial that is exported or, before there is an export, that leads"),
    "num_parameters": Column(INTEGER, "", "the winner's trainable parameters"),
    "milliseconds_per_image": Column(FLOAT, "ms", "the winner's time for one image alone, as in the trial table"),
    "val_accuracy": Column(FLOAT, "fraction", "the winner's validation accuracy: mean over its fresh seeds, if any"),
    "num_seeds": Column(INTEGER, "", "fresh seeds in that mean; 0: a single run of the search, hence optimistic"),
    "val_accuracy_low": Column(FLOAT, "fraction", "lower limit of its 95 % interval, simultaneous for all candidates"),
    "val_accuracy_high": Column(FLOAT, "fraction", "upper limit of that interval; NaN for fewer than two seeds"),
    "recipe_accuracy": Column(FLOAT, "fraction", "mean validation accuracy of the article's recipe on fresh seeds"),
    "gain": Column(FLOAT, "fraction", "by how much the winner exceeds the recipe, over seeds that both have"),
    "gain_low": Column(FLOAT, "fraction", "lower limit of the gain's 95 % interval; above 0: told from the recipe"),
    "gain_high": Column(FLOAT, "fraction", "upper limit of the gain's 95 % interval"),
    "num_pairs": Column(INTEGER, "", "seeds that the gain is a mean over"),
    "test_accuracy": Column(FLOAT, "fraction", "accuracy of the exported network on the test images"),
    "test_images": Column(INTEGER, "images", "test images that it was scored on"),
    "test_scorings": Column(INTEGER, "", "how often this run has scored the test images; NA where not recorded"),
    "test_ece": Column(FLOAT, "fraction", "expected calibration error on the test images; NaN where not recorded"),
    "temperature": Column(FLOAT, "", "what the exported network's log-probabilities are divided by"),
    "exported_images": Column(INTEGER, "images", "images that the exported network was trained on"),
    "node": Column(TEXT, "", "machines that ran the search's trials, joined by commas"),
    "device": Column(TEXT, "", "what they trained on, joined by commas: cpu or the GPUs' names"),
    "cpus": Column(INTEGER, "", "CPUs of the machine that the search was started on"),
    "gpus": Column(INTEGER, "", "GPUs that the search used"),
    "python": Column(TEXT, "", "version of Python"),
    "torch": Column(TEXT, "", "version of PyTorch"),
    "ray": Column(TEXT, "", "version of Ray"),
    "optuna": Column(TEXT, "", "version of Optuna"),
    "commit": Column(TEXT, "", "commit of this project's source; NA where it ran outside of its repository"),
}


def runs_of(run_dirs: list[Path]) -> pd.DataFrame:
    """Return the run table of these folders. Raises ConfigError where one is not a run, or a file of it is damaged."""
    return frame([_row(read_run(run_dir)) for run_dir in run_dirs], RUN_COLUMNS)


def _row(run: Run) -> dict[str, Any]:
    identity = {"name": run.name, "path": str(run.path), "state": run.state}
    return {**identity, **_search(run), **_choices(run), **_winner(run), **_export(run), **_place(run)}


def _search(run: Run) -> dict[str, Any]:
    """Return how far the search came, and what it took."""
    stages = {"duration": run.trials, "confirm_duration": run.confirm, "refit_duration": run.refits}
    counts = run.trials.state.value_counts()
    return {
        "started": run.trials.started.min(),
        "ended": pd.concat([table.ended for table in stages.values()]).max(),
        "num_planned": run.planned,
        "num_begun": len(run.trials),
        **{f"num_{state}": counts[state] for state in STATE.categories},
        "epochs_run": run.trials.epochs_run.sum(),
        "epochs_saved": epochs_saved(run.trials),
        **{name: table.duration.sum().total_seconds() for name, table in stages.items()},
        "clock": run.epochs.clock.max().total_seconds(),
    }


def _choices(run: Run) -> dict[str, Any]:
    """Return what the search was asked to do, and what it chose itself."""
    search, automatic = run.experiment.search, run.experiment.automatic
    return {
        "dataset": run.dataset,
        "train_images": automatic.get("train_images", run.experiment.data.train_images),
        "validation_images": run.experiment.images,
        "num_searched": len(run.experiment.space.searched),
        "sampler": search.sampler,
        "pruner": search.pruner,
        "precision": automatic.get("precision", search.precision),
        "seed": search.seed,
    }


def _winner(run: Run) -> dict[str, Any]:
    """Return the winner, and how it compares with the article's recipe."""
    accuracy, seeds = winner_accuracy(run)
    low, high = _interval(run)
    trial = run.trials[run.trials.number == run.winner]
    found = gain(run)
    row = {
        "winner": run.winner,
        "num_parameters": trial.num_parameters.max(),
        "milliseconds_per_image": trial.milliseconds_per_image.max(),
        "val_accuracy": accuracy,
        "num_seeds": None if run.winner is None else seeds,
        "val_accuracy_low": low,
        "val_accuracy_high": high,
        "recipe_accuracy": run.recipe.mean if run.recipe else None,
    }
    if found is None:
        return row
    return {**row, "gain": found.mean, "gain_low": found.low, "gain_high": found.high, "num_pairs": found.pairs}


def _interval(run: Run) -> tuple[float, float]:
    """Return the interval of the winner's mean; NaN where there is none. That of a picked trial is its own alone."""
    repeated = repeats_of(run, run.winner)
    if repeated is None:
        return math.nan, math.nan
    table = run.confirmation if repeated in run.candidates else confirmation([repeated])
    [row] = table[table.candidate == repeated.number].to_dict("records")
    return row["low"], row["high"]


def _export(run: Run) -> dict[str, Any]:
    """Return what the card of the exported network says, where there is one."""
    metrics = {name: run.model.get("metrics", {}).get(name) for name in RUN_COLUMNS if name.startswith("test_")}
    images = run.model.get("provenance", {}).get("training_images")
    return {**metrics, "temperature": run.model.get("temperature"), "exported_images": images}


def _place(run: Run) -> dict[str, Any]:
    """Return the machines and the versions."""
    versions, machine = run.environment.get("versions", {}), run.environment.get("machine", {})
    return {
        **{name: ", ".join(run.trials[name].dropna().unique()) or None for name in ("node", "device")},
        **{name: versions.get(name) for name in ("python", "torch", "ray", "optuna")},
        "cpus": machine.get("cpus"),
        "gpus": run.experiment.automatic.get("gpus"),
        "commit": run.environment.get("commit"),
    }
