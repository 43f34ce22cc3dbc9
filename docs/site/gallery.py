"""Draw the figures of the gallery, when the site is built, from the tables in benchmarks/results."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from analysis.figures import default_look
from analysis.gallery import Picture, hyperparameters, pictures
from analysis.numbers.confirmation import confirmation
from analysis.numbers.summary import finished
from analysis.tables import CONFIRM_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS
from analysis.tables.columns import DURATION, TIME, Column
from analysis.tables.run import Run
from search.experiment import load_experiment
from search.store.candidates import attributes_of, candidates_of, ranked, recipe_attributes, recipe_of
from search.store.records import TrialRecord

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
ASKED = re.compile(r"^<!-- figures of (\w+): (.+) -->$", re.M)
DPI = 150  # sharper than the report's, whose page holds them all


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page with figures, each above the sentence on what to see in it, where it asks for them by name."""

    def drawn(asked: re.Match[str]) -> str:
        return "\n\n".join(_shown(asked[1], picture, config, files) for picture in _drawn(asked[1], asked[2].split()))

    with default_look():
        return ASKED.sub(drawn, markdown)


def run_of(name: str) -> Run:
    """Return what the committed tables and the configuration of a run tell of it; all else is empty."""
    path = ROOT / "configs" / f"{name}.toml"
    trials, epochs = _table(name, TRIAL_COLUMNS), _table(f"{name}_epochs", EPOCH_COLUMNS)
    confirm = _table(f"{name}_confirm", {**TRIAL_COLUMNS, **CONFIRM_COLUMNS})
    confirmed = [_record(row) for row in confirm.to_dict("records")]
    candidates = ranked(candidates_of(confirmed))
    return Run(
        name=name,
        path=RESULTS,
        configuration=path.read_text(encoding="utf-8"),
        experiment=load_experiment(path),
        live=False,
        state="finished",
        read_at=datetime.now(UTC),
        trials=trials,
        epochs=epochs,
        confirm=confirm,
        refits=trials.iloc[:0],
        candidates=candidates,
        recipe=recipe_of(confirmed),
        picked=[],
        confirmation=confirmation(candidates),
        failed=None,
        failures=[],
        winner=candidates[0].number if candidates else int(finished(trials).number.iloc[0]),
        leading=None,
        early_end=None,
        model={},
        network=None,
        environment={},
    )


def _table(name: str, columns: dict[str, Column]) -> pd.DataFrame:
    """Return a committed table with the types of its columns, without rows where there is none."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return pd.DataFrame({column: pd.Series(dtype=kind.dtype) for column, kind in columns.items()})
    table = pd.read_csv(path).rename(columns={"seconds": "duration"})  # what was committed has times in seconds
    types = {column: kind.dtype for column, kind in columns.items()}
    times = {column: pd.to_datetime(table[column]) for column, dtype in types.items() if dtype == TIME}
    durations = {name: pd.to_timedelta(table[name], unit="s") for name, dtype in types.items() if dtype == DURATION}
    return table.assign(**times, **durations).astype(types)


def _record(row: dict[str, Any]) -> TrialRecord:
    """Return a row of a confirmation as the trial that it was: of a candidate or, where it has none, of the recipe."""
    run = int(row["run"])
    about = recipe_attributes({}, run) if pd.isna(row["candidate"]) else attributes_of(int(row["candidate"]), run)
    about["num_parameters"] = row["num_parameters"]
    return TrialRecord(row["number"], row["state"], row["val_accuracy"], {}, [], about)


def _drawn(name: str, wanted: list[str]) -> list[Picture]:
    """Return the figures of a run that have these names, in the order of its report."""
    run = run_of(name)
    # The report draws hyperparameters beside their curves or not at all; here tables without epochs have panels too.
    known = [*pictures(run), *([hyperparameters(run)] if run.epochs.empty else [])]
    found = [picture for picture in known if picture.name in wanted]
    if missing := set(wanted) - {picture.name for picture in found}:
        raise ValueError(f"benchmarks/results: {name} has no figures called {sorted(missing)}")
    return found


def _shown(name: str, picture: Picture, config: MkDocsConfig, files: Files) -> str:
    """Return the Markdown of a figure, after its file has joined those of the site."""
    png = io.BytesIO()
    picture.figure.savefig(png, format="png", dpi=DPI)
    place = f"figures/{name}_{picture.name}.png"
    files.append(File.generated(config, place, content=png.getvalue()))
    # A figure leads to itself, alone and larger.
    return f"[![{picture.name.replace('_', ' ')} of {name}]({place})]({place})\n\n{picture.sentence}"
