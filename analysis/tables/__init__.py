"""Runs as pandas tables, one row per run, per trial or per epoch, so that any question takes one line.

A run as a whole, read once, is in `analysis.tables.run`.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from analysis.tables.columns import Column
from analysis.tables.trial_rows import CONFIRM_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS, epochs_of, trials_of
from search.store.records import read_trials
from search.store.resolved import load_resolved
from search.store.study import SEARCH

__all__ = [
    "CONFIRM_COLUMNS",
    "EPOCH_COLUMNS",
    "TRIAL_COLUMNS",
    "Column",
    "epoch_table",
    "run_table",
    "trial_table",
]


def trial_table(run_dir: Path | str, study: str = SEARCH) -> pd.DataFrame:
    """Return the trials of a run, one row per trial that has begun, in the order of their numbers.

    The columns, their dtypes and units are those of `TRIAL_COLUMNS`, for the study "confirm" followed by
    `CONFIRM_COLUMNS`, of a running, an interrupted and a finished run alike, even if the study is empty.

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


def run_table(run_dirs: Path | str | Iterable[Path | str]) -> pd.DataFrame:
    """Return one row per run, in the order given; the columns are those of `analysis.tables.run_rows.RUN_COLUMNS`.

    Raises:
        ConfigError: a folder is not a run, or a file of it is damaged.
    """
    from analysis.tables.run_rows import (
        runs_of,  # not at the top: its intervals bring scipy, which takes a second to import
    )

    folders = [run_dirs] if isinstance(run_dirs, Path | str) else run_dirs
    return runs_of([Path(folder) for folder in folders])
