"""What the page's table and charts show, as plain columns: the scripts in templates/ only filter and draw it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis.figures.axes import FLOOR, STYLES, accuracy_limits, accuracy_ticks
from analysis.figures.parallel import MOST
from analysis.numbers.outlook import room
from analysis.numbers.parallel import joined, on_axes, ticks
from analysis.numbers.pareto import COSTS
from analysis.numbers.summary import best_so_far, groups
from analysis.numbers.timeline import timeline
from analysis.numbers.wording import format_value
from analysis.tables.run import Run

DIGITS = 6  # significant ones of each number on the page
COLUMNS = ("number", "state", "val_accuracy", "epochs_run")  # of the table, before the hyperparameters
MORE_COLUMNS = ("num_parameters", "milliseconds_per_image", "seconds", "images_per_second", "retries", "error")
STATES = ("complete", "pruned", "paused", "running", "interrupted", "failed")


@dataclass(frozen=True)
class Trials:
    """The trials of all runs in one table, in which `trial` counts the rows, and what was searched in any of them.

    `axes` holds what all of its values lie on, where there is such an axis.
    """

    table: pd.DataFrame
    searched: list[str]
    axes: dict[str, BaseDistribution]


def page_data(runs: list[Run]) -> dict[str, Any]:
    """Return the columns of the page as data for JSON.

    "trials" has a list per column, all of the same length; the columns `trial` of "epochs", "stretches" and "best" are
    places in these lists. Of very many trials only the best have epochs: more curves would cover each other.
    """
    of = _trials(runs)
    known = of.table[np.isfinite(of.table.val_accuracy.astype(float))]
    drawn = known.nlargest(MOST, "val_accuracy").trial
    epochs = _numbered(runs, of, [run.epochs for run in runs])
    epochs = epochs[epochs.trial.isin(drawn) & np.isfinite(epochs.val_accuracy.astype(float))]
    epochs = epochs.sort_values(["trial", "epoch"])
    low, high = accuracy_limits(epochs.val_accuracy)
    return {
        "runs": [run.name for run in runs],
        "states": [state for state in STATES if (of.table.state == state).any()],
        "searched": of.searched,
        "columns": [*(["run"] if len(runs) > 1 else []), *COLUMNS, *of.searched, *_filled(of.table)],
        "fields": _fields(of),
        "accuracy": {"floor": FLOOR, "low": low, "high": high, "ticks": accuracy_ticks(low, high)},
        "winners": _winners(runs, of),
        "most": MOST,
        "colours": {state: STYLES[state]["color"] for state in STATES},
        "room": room(runs[0].trials) if len(runs) == 1 else None,
        "trials": _columns(of.table.drop(columns="trial")),
        "epochs": _columns(epochs[["trial", "epoch", "val_accuracy"]]),
        "best": _columns(_best(runs, of, "number")),
        "best_in_time": _columns(_best(runs, of, "clock")),
        "stretches": _columns(_stretches(runs, of)),
    }


def _trials(runs: list[Run]) -> Trials:
    tables = [run.trials.assign(run=run.name, seconds=run.trials.duration.dt.total_seconds()) for run in runs]
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0].reset_index(drop=True)
    searched: dict[str, list[BaseDistribution]] = {}
    for run in runs:
        for name, distribution in run.experiment.space.searched.items():
            searched.setdefault(name, []).append(distribution)
    kept = [*COLUMNS, *searched, *MORE_COLUMNS, "run"]
    axes = {name: joined(distributions, table[name]) for name, distributions in searched.items()}
    known = {name: axis for name, axis in axes.items() if axis is not None}
    return Trials(table[kept].assign(trial=range(len(table))), list(searched), known)


def _numbered(runs: list[Run], of: Trials, tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one table per run, joined, each row with its trial's place in the table of all."""
    parts = []
    for run, table in zip(runs, tables, strict=True):
        rows = of.table[of.table.run == run.name]
        places = dict(zip(rows.number, rows.trial, strict=True))
        parts.append(table.assign(trial=table.number.map(places), run=run.name))
    return pd.concat(parts, ignore_index=True)


def _best(runs: list[Run], of: Trials, over: str) -> pd.DataFrame:
    return _numbered(runs, of, [best_so_far(run.trials, over) for run in runs])[["trial", over, "best"]]


def _stretches(runs: list[Run], of: Trials) -> pd.DataFrame:
    """Return the stretches of training, each with the name of its row in the figure."""
    rows = _numbered(runs, of, [timeline(run.trials, run.epochs) for run in runs])
    lane = rows.place.astype(str) + " #" + (rows.lane.fillna(0).astype(int) + 1).astype(str)
    row = rows.run + ": " + lane if len(runs) > 1 else lane
    return pd.DataFrame({"trial": rows.trial, "start": rows.start, "end": rows.end, "row": row})


def _fields(of: Trials) -> list[dict[str, Any]]:
    """Return each axis of a trial's values: its place on it from 0 to 1, its ticks, and the group it belongs to."""
    fields = []
    places = on_axes(of.table, of.axes)
    for name, distribution in of.axes.items():
        group = groups(of.table[name], distribution)
        fields.append(
            {
                "name": name,
                "searched": True,
                "choice": isinstance(distribution, CategoricalDistribution),
                "ticks": ticks(distribution),
                "groups": [str(label) for label in group.cat.categories],
                "group": [None if code < 0 else int(code) for code in group.cat.codes],
                "places": _values(places[name]),
            }
        )
    return [*fields, *(field for cost in COSTS if (field := _cost(of.table, cost)))]


def _cost(table: pd.DataFrame, cost: str) -> dict[str, Any] | None:
    """Return the axis of a cost, on a logarithmic scale; None where no two trials differ in it."""
    values = table[cost].astype(float)
    low, high = values.min(), values.max()
    if not low < high:
        return None
    known = np.geomspace(low, high, 4)
    labels = [(math.log(value / low) / math.log(high / low), f"{float(f'{value:.2g}'):,g}") for value in known]
    places = np.log(values / low) / math.log(high / low)
    return {"name": COSTS[cost], "searched": False, "ticks": labels, "places": _values(places)}


def _winners(runs: list[Run], of: Trials) -> list[int]:
    found: list[int] = []
    for run in runs:
        if run.winner is not None:
            found += of.table.trial[(of.table.run == run.name) & (of.table.number == run.winner)].tolist()
    return found


def _filled(table: pd.DataFrame) -> list[str]:
    """Return the further columns that say something: those with a value, and `retries` where there were any."""
    said = [name for name in MORE_COLUMNS if table[name].notna().any()]
    return [name for name in said if name != "retries" or (table.retries > 0).any()]


def _columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): _values(table[name]) for name in table}


def _values(values: pd.Series) -> list[Any]:
    """Return values as JSON has them: numbers with few digits, None where one is missing."""
    return [_plain(value) for value in values.astype(object).where(values.notna(), None)]


def _plain(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return format_value(bool(value))
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
