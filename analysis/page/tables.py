"""The tables of the report's page, prepared as rows of plain cells so that the templates only have to print them."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from analysis.numbers.confirmation import confirmation, interval_words, level
from analysis.numbers.pareto import COSTS, costs_of, front
from analysis.numbers.summary import finished
from analysis.numbers.wording import percent, recipe_name
from analysis.tables.run import Run
from analysis.tables.winner import winner_accuracy


class Table(NamedTuple):
    """One table of the page: the names of its columns, its rows, the heading above it ("" for none) and its caption."""

    header: list[str]
    rows: list[list[Any]]
    title: str = ""
    caption: str = ""


def confirmation_table(run: Run) -> Table | None:
    """Return one row per candidate with its mean and interval; None where nothing was trained again."""
    table = run.confirmation
    if table.empty:
        return None
    header = ["candidate", "mean", "n", "interval", "standard deviation (points)", "failed", "unfinished"]
    rows = [_candidate_row(f"trial {row['candidate']}", row) for row in table.to_dict("records")]
    if run.recipe and run.recipe.runs:
        [row] = confirmation([run.recipe]).to_dict("records")
        rows.append(_candidate_row(recipe_name(run.experiment.recipe_differences), row))
    caption = (
        f"Validation accuracy. {interval_words(len(table))}: Student t over seeds, each at "
        f"{percent(level(len(table)))}; on the validation images that the candidates were chosen on, so it says "
        "nothing of other images."
    )
    if run.recipe:
        caption += f" The recipe was not selected: its interval is at {percent(level(1))}."
    return Table(header, rows, "Confirmation on fresh seeds", caption)


def _candidate_row(name: str, row: dict[str, Any]) -> list[Any]:
    return [
        name,
        percent(row["mean"]),
        row["n"],
        f"{100 * row['low']:.2f} to {percent(row['high'])}" if row["n"] > 1 else "-",
        _number(100 * row["std"], ".3f"),
        row["num_failed"] or "",
        row["num_unfinished"] or "",
    ]


def pareto_tables(run: Run) -> list[Table]:
    """Return the Pareto front of each cost, the cheapest trial first; none where all networks have the same size."""
    tables = []
    for cost in costs_of(run.trials):
        header = ["trial", COSTS[cost], "val. accuracy", "gain (points)"]
        rows = [_front_row(row, cost) for row in front(run.trials, cost).to_dict("records")]
        caption = (
            "Complete trials that no other beats in both, and what each step of cost buys. Single runs of the search, "
            "hence optimistic; small gains may be noise between seeds."
        )
        tables.append(Table(header, rows, f"What accuracy costs: {COSTS[cost]}", caption))
    return tables


def _front_row(row: dict[str, Any], cost: str) -> list[Any]:
    form = ",.0f" if cost == "num_parameters" else ".3f"
    return [row["number"], _number(row[cost], form), percent(row["val_accuracy"]), _number(100 * row["gain"], "+.2f")]


def comparison_table(runs: list[Run]) -> Table:
    """Return one row per run: its data, how far its search came, and what its winner reaches."""
    searched = ["run", "data", "trials", "complete", "winner"]
    header = [*searched, "validation accuracy", "fresh seeds", "test accuracy", "hours"]
    caption = "Validation accuracy: mean over fresh seeds where there are any, else the best single run."
    return Table(header, [_run_row(run) for run in runs], caption=caption)


def _run_row(run: Run) -> list[Any]:
    mean, seeds = winner_accuracy(run)
    return [
        run.name,
        run.dataset,
        len(run.trials),
        len(finished(run.trials)),
        "-" if run.winner is None else run.winner,
        percent(mean),
        seeds,
        percent(run.model.get("metrics", {}).get("test_accuracy")),
        _number(run.epochs.clock.max().total_seconds() / 3600, ".2f"),
    ]


def environment_table(environment: dict[str, Any]) -> Table | None:
    """Return the recorded versions and machine, one row per value; None where nothing was recorded."""
    return Table(["", ""], list(_flat(environment))) if environment else None


def _flat(table: dict[str, Any], above: str = "") -> Iterator[list[Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield [above + name, value]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, form)
