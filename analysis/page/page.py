"""The report as one self-contained HTML page: this file prepares plain data, which the templates show."""

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis.page.data import page_data
from analysis.page.tables import Table, comparison_table, confirmation_table, environment_table, pareto_tables
from analysis.tables.run import Run
from analysis.words.comparison import differences, differing_data
from analysis.words.failures import post_mortem
from analysis.words.in_short import headline, in_short
from analysis.words.next_steps import Step, next_steps
from analysis.words.verdict import fallback_note, verdict

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("vega.js", "choice.js", "specs.js", "controls.js", "table.js", "charts.js")


@dataclass(frozen=True)
class Image:
    """A rendered figure: its file's name without the ending, a sentence on what to see in it, and its PNG and SVG.

    The page shows an `interactive` one as a chart of its own instead.
    """

    name: str
    sentence: str
    png: bytes
    svg: bytes
    interactive: bool = False

    @property
    def alt(self) -> str:
        """Return the name in words, for readers who can't see the figure."""
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """Return the heading above the figure."""
        return self.alt.capitalize()

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
    short: dict[str, str]
    steps: list[Step]
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
    differences: list[str]
    table: Table


def page(runs: list[Run], images: dict[str, list[Image]], files: list[str]) -> str:
    """Return the whole page as HTML.

    `images` holds the figures of each run by its name, `files` the names of all figures beside the page, without the
    endings.
    """
    several = len(runs) > 1
    data = page_data(runs)
    return (
        templates()
        .get_template("page.html")
        .render(
            title=f"{len(runs)} runs compared" if several else headline(runs[0]),
            comparison=Comparison(differing_data(runs), differences(runs), comparison_table(runs)) if several else None,
            runs=[_run_part(run, images[run.name]) for run in runs],
            fields=[field["name"] for field in data["fields"]],
            data=_json(data),
            files=files,
            scripts=[Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in SCRIPTS],
            paths=", ".join(str(run.path) for run in runs),
            read_at=f"{runs[0].read_at:%Y-%m-%d %H:%M:%S}",
        )
    )


def _json(data: dict[str, Any]) -> Markup:
    """Return `data` for a script element, which no text in it can end."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


def _run_part(run: Run, images: list[Image]) -> RunPart:
    note = fallback_note(run)
    return RunPart(
        name=run.name,
        headline=headline(run),
        note=note,
        short=in_short(run),
        steps=next_steps(run),
        findings=[sentence for sentence in verdict(run) if sentence != note],
        tables=[table for table in (confirmation_table(run), *pareto_tables(run)) if table],
        images=[image for image in images if not image.interactive],
        failures=post_mortem(run.trials),
        configuration=run.configuration,
        environment=environment_table(run.environment),
    )


def templates() -> Environment:
    """Return the templates of the page, which escape what they show and fail on data that is missing."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
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
