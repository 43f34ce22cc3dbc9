"""The report as one self-contained HTML page: this file prepares plain data, which the templates show."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis.failures import post_mortem
from analysis.page_tables import (
    Table,
    comparison_table,
    confirmation_table,
    environment_table,
    pareto_tables,
    trials_table,
)
from analysis.run import Run
from analysis.verdict import differing_data, fallback_note, headline, verdict


@dataclass(frozen=True)
class Image:
    """A rendered figure: its file's name without the ending, a sentence on what to see in it, and its PNG bytes."""

    name: str
    sentence: str
    png: bytes

    @property
    def alt(self) -> str:
        """Return the name in words, for readers who can't see the figure."""
        return self.name.replace("_", " ")

    @property
    def data_uri(self) -> str:
        """Return the figure as an address that contains it, so that the page needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


@dataclass(frozen=True)
class RunPart:
    """What the page shows of one run; `note` is a warning that comes before the findings."""

    name: str
    headline: str
    note: str | None
    findings: list[str]
    tables: list[Table]
    images: list[Image]
    failures: list[str]
    configuration: str
    environment: Table | None


@dataclass(frozen=True)
class Comparison:
    """What the page shows of several runs together."""

    warning: str | None
    table: Table
    image: Image


def page(runs: list[Run], images: dict[str, list[Image]], comparison: Image | None, interactive: str | None) -> str:
    """Return the whole page as HTML.

    `images` holds the figures of each run by its name. `comparison` is the figure that compares several runs, and
    `interactive` is a figure that already is HTML.
    """
    template = templates().get_template("page.html")
    return template.render(
        title=headline(runs[0]) if len(runs) == 1 else f"{len(runs)} runs compared",
        comparison=Comparison(differing_data(runs), comparison_table(runs), comparison) if comparison else None,
        runs=[_run_part(run, images[run.name]) for run in runs],
        interactive=interactive,
        paths=", ".join(str(run.path) for run in runs),
        read_at=f"{runs[0].read_at:%Y-%m-%d %H:%M:%S}",
    )


def _run_part(run: Run, images: list[Image]) -> RunPart:
    note = fallback_note(run)
    return RunPart(
        name=run.name,
        headline=headline(run),
        note=note,
        findings=[sentence for sentence in verdict(run) if sentence != note],
        tables=[table for table in (trials_table(run), confirmation_table(run), *pareto_tables(run)) if table],
        images=images,
        failures=post_mortem(run.trials),
        configuration=run.configuration,
        environment=environment_table(run.environment),
    )


def templates() -> Environment:
    """Return the templates of the page, which escape what they show and fail on data that is missing."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    return environment


def _code(sentence: str) -> Markup:
    """Return `sentence` as HTML in which the words between backticks are <code>; everything else is escaped."""
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", str(escape(sentence))))
