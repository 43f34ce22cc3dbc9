"""The status of a run as a person sees it at a terminal: bars, the best, a row per running trial, counts."""

import math

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.progress.plan import StageStatus
from search.progress.status import RunningTrial, Status
from search.progress.wording import describe
from search.store.failures import RETRIED

BARS = "▁▂▃▄▅▆▇█"
ROWS = 12  # running trials that are shown, the first of them
NARROW = 60  # columns, below which a row has no curve, speed and place


def view(status: Status, width: int) -> RenderableType:
    """Return what a terminal of `width` columns shows of a run."""
    parts: list[RenderableType] = [_line(_headline(status)), _stages(status.stages, width)]
    if status.best:
        best = f"{status.best.accuracy:.2%}  {status.best.name}  {describe(status.best.params)}"
        parts.append(_line(f"best  {best}"))
    if status.learned is False:
        parts.append(_line("nothing learned: no better than one constant answer"))
    if status.running:
        parts.append(_running(status.running[:ROWS], width))
    if len(status.running) > ROWS:
        parts.append(_line(f"and {len(status.running) - ROWS} more"))
    counts = ", ".join(f"{number} {state}" for state, number in status.counts.items())
    parts.append(_line(counts or "no trial has begun"))
    if status.failures:
        parts.append(_line(f"failed  {status.failures.words}; {RETRIED}"))
    if status.saved:
        parts.append(_line(f"early stopping saved {status.saved} of {status.epochs + status.saved} epochs"))
    return Group(*parts)


def sparkline(accuracies: list[float]) -> str:
    """Return a curve of accuracies in a line, on the scale of their errors: each decade is as high as another."""
    heights = [-math.log10(max(1 - accuracy, 1e-4)) for accuracy in accuracies[-20:]]
    low, high = min(heights, default=0.0), max(heights, default=0.0)
    places = [(height - low) / (high - low) if high > low else 0.0 for height in heights]
    return "".join(BARS[round(place * (len(BARS) - 1))] for place in places)


def duration(seconds: float) -> str:
    """Return a time in words, such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _headline(status: Status) -> str:
    left = f", about {duration(status.left)} left" if status.left is not None else ""
    since = f"{duration(status.seconds)} of searching" if status.elapsed is None else duration(status.elapsed)
    return f"{status.run}: {status.state}, {since}{left}"


def _stages(stages: list[StageStatus], width: int) -> Table:
    table = Table.grid(padding=(0, 1))
    for stage in stages:
        bar = ProgressBar(total=max(stage.total, 1), completed=stage.done, width=max(5, min(40, width - 28)))
        table.add_row(_line(stage.name), bar, _line(f"{stage.done} of {stage.total}"))
    return table


def _running(trials: list[RunningTrial], width: int) -> Table:
    table = Table.grid(padding=(0, 2))
    for trial in trials:
        accuracy = f"{trial.accuracies[-1]:7.2%}" if trial.accuracies else "      -"
        epoch = f"epoch {len(trial.accuracies)} of {trial.epochs}" if trial.accuracies else "starting"
        row: list[RenderableType] = [_line(trial.name), _line(epoch), _line(accuracy)]
        if width >= NARROW:
            speed = f"{trial.images_per_second:,.0f} images/s" if trial.images_per_second else ""
            row += [sparkline(trial.accuracies), speed, _line(trial.place)]
        table.add_row(*row)
    return table
