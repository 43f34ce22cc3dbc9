"""The report as one HTML text that needs nothing from outside: pure, from numbers and pictures to a string."""

import base64
import math
import re
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from analysis.confirmation import confirmation
from analysis.run import Run
from analysis.style import CSS
from analysis.summary import finished, format_value, searched_fields
from analysis.verdict import (
    dataset_of,
    differing_data,
    fallback_note,
    headline,
    percent,
    post_mortem,
    verdict,
    winner_of,
)

TOP = 10  # trials in the table of the best
# The page may show what is inside it and nothing else: a browser then refuses any request to the outside.
POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'"
INTERACTIVE = (
    "Each line is a trial with its values, coloured by its accuracy. Drag along an axis to keep only the trials that "
    "pass there, click the axis to let go; drag a name to move its axis."
)


class Image(NamedTuple):
    """A rendered figure: the name of its file, what to see in it, and its PNG bytes."""

    name: str
    sentence: str
    png: bytes


def page(runs: list[Run], images: dict[str, list[Image]], comparison: Image | None, interactive: str | None) -> str:
    """The whole page. `images` holds the figures of each run by its name."""
    title = headline(runs[0]) if len(runs) == 1 else f"{len(runs)} runs compared"
    body = _comparison(runs, comparison) if comparison else ""
    for run in runs:
        found = _run(run, images[run.name])
        body += f"<article><h2>{escape(headline(run))}</h2>{found}</article>" if comparison else found
    if interactive:
        body += _section("All trials, to explore", f'<p>{INTERACTIVE}</p><div class="wide">{interactive}</div>')
    body += "".join(_details(run) for run in runs)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title><style>{CSS}</style></head>\n'
        f"<body><header><h1>{escape(title)}</h1></header>\n<main>{body}</main>\n{_footer(runs)}</body></html>\n"
    )


def _run(run: Run, images: list[Image]) -> str:
    note = fallback_note(run)
    found = f'<p class="note" role="note">{escape(note)}</p>' if note else ""
    found += _list(sentence for sentence in verdict(run) if sentence != note)
    parts = [found, _top_trials(run), _confirmation(run)]
    parts += [_figure(image) for image in images]
    failures = post_mortem(run.trials)
    parts.append(_section("Failures", _list(failures) if failures else "<p>No trial failed.</p>"))
    return "\n".join(parts)


def _top_trials(run: Run) -> str:
    complete = finished(run.trials)
    shown = (complete if len(complete) else run.trials).head(TOP)
    if shown.empty:
        return ""
    fields = searched_fields(run.experiment.space)
    # The state is told only where it differs from trial to trial.
    state = [] if len(complete) else ["state"]
    header = ["trial", *state, "val. accuracy", "val. loss", "epochs", *fields, "parameters", "seconds", "images/s"]
    rows = [
        [
            row["number"],
            *(row[name] for name in state),
            percent(row["val_accuracy"]),
            _number(row["val_loss"], ".4f"),
            row["epochs_run"],
            *(format_value(row[name]) for name in fields),
            _number(row["num_parameters"], ",.0f"),
            _number(row["seconds"], ".1f"),
            _number(row["images_per_second"], ",.0f"),
        ]
        for row in shown.astype(object).where(shown.notna(), None).to_dict("records")
    ]
    title = f"Best trials ({len(shown)} of {len(complete)} complete)" if len(complete) else "Trials so far"
    return _section(title, _table(header, rows))


def _confirmation(run: Run) -> str:
    table = confirmation(run.confirm)
    if table.empty:
        return ""
    rows = [
        [
            f"trial {row['candidate']}",
            percent(row["mean"]),
            row["n"],
            f"{100 * row['low']:.2f} to {percent(row['high'])}" if row["n"] > 1 else "-",
            "-" if math.isnan(row["std"]) else f"{100 * row['std']:.3f}",
            row["num_unfinished"] or "",
        ]
        for row in table.to_dict("records")
    ]
    header = ["candidate", "mean", "n", "95 % interval", "standard deviation (points)", "runs without result"]
    caption = "Validation accuracy. Intervals: Student t over seeds, validation split fixed."
    return _section("Confirmation on fresh seeds", _table(header, rows, caption))


def _comparison(runs: list[Run], image: Image) -> str:
    header = [
        "run",
        "data",
        "trials",
        "complete",
        "winner",
        "validation accuracy",
        "fresh seeds",
        "test accuracy",
        "hours",
    ]
    rows = []
    for run in runs:
        winner, confirmed = winner_of(run), confirmation(run.confirm)
        trial = run.trials[run.trials.number == winner] if winner is not None else run.trials.iloc[:0]
        mean = confirmed["mean"].iloc[0] if confirmed.n.sum() else trial.val_accuracy.max()
        row = [run.name, dataset_of(run), len(run.trials), len(finished(run.trials)), "-" if winner is None else winner]
        row += [percent(mean), int(confirmed.n.iloc[0]) if len(confirmed) else 0]
        row += [percent(run.model.get("metrics", {}).get("test_accuracy", math.nan))]
        rows.append([*row, _number(run.epochs.clock.max() / 3600, ".2f")])
    warning = differing_data(runs)
    note = f'<p class="note" role="note">{escape(warning)}</p>' if warning else ""
    return (
        note
        + _table(header, rows, "Validation accuracy: mean over fresh seeds where there are any, else one run.")
        + _figure(image)
    )


def _details(run: Run) -> str:
    name = escape(run.name)
    environment = _table(["", ""], list(_flat(run.environment))) if run.environment else "<p>Not recorded.</p>"
    return (
        f"<details><summary>Configuration of {name}</summary><pre>{escape(run.configuration)}</pre></details>"
        f"<details><summary>Environment of {name}</summary>{environment}</details>"
    )


def _footer(runs: list[Run]) -> str:
    where = ", ".join(str(run.path) for run in runs)
    return (
        f"<footer>Read from {escape(where)} at {runs[0].read_at:%Y-%m-%d %H:%M:%S} UTC. The tables: "
        '<a href="trials.csv">trials.csv</a>, <a href="epochs.csv">epochs.csv</a>.</footer>'
    )


def _figure(image: Image) -> str:
    data = base64.b64encode(image.png).decode("ascii")
    name = escape(image.name.replace("_", " "))
    sentence = f"<figcaption>{escape(image.sentence)}</figcaption>" if image.sentence else ""
    picture = f'<img alt="{name}" src="data:image/png;base64,{data}">'
    return f'<figure>{sentence}<div class="wide">{picture}</div></figure>'


def _section(title: str, body: str) -> str:
    return f"<section><h3>{escape(title)}</h3>{body}</section>"


def _list(sentences: Iterable[str]) -> str:
    """A list; what stands between backticks is a command."""
    marked = (re.sub(r"`(.+?)`", r"<code>\1</code>", escape(sentence)) for sentence in sentences)
    return f"<ul>{''.join(f'<li>{sentence}</li>' for sentence in marked)}</ul>"


def _table(header: list[str], rows: list[list[Any]], caption: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _flat(table: dict[str, Any], above: str = "") -> Iterable[list[Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield [above + name, value]


def _number(value: Any, form: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, form)
