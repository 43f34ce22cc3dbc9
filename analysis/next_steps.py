"""What to do next with a run: each step in words, with the command that does it."""

import math
import shlex
from dataclasses import dataclass
from typing import Any

from analysis.confirmation import seed_noise
from analysis.run import Run
from analysis.summary import ENDED, Edge, edges, limits
from analysis.wording import count, points
from analysis.worth import gain, is_worthwhile, room
from search.space import size

MANY_FAILED = 0.1  # share of the trials
MOST_SEEDS = 12  # that are proposed: more cost more than a difference so small is worth


@dataclass(frozen=True)
class Step:
    """One thing to do: why, in a sentence, the lines that the configuration needs first, and what to type then."""

    words: str
    command: str
    lines: tuple[str, ...] = ()


def next_steps(run: Run) -> list[Step]:
    """Return what a person would do next, the most urgent first; a search that runs is only to be watched."""
    if run.live:
        return [Step("The search is running: look at it from another terminal.", _search("status", run, "--watch"))]
    failed, unfinished = _retry(run), _go_on(run)
    # What comes after the end is proposed at the end, and a wider range is searched by more trials too.
    further = unfinished or [*(_widen(run) or _more(run)), *_tell_apart(run)]
    return [*failed, *further, *_use(run)]


def again(run: Run, *more: str, copied: bool = False) -> str:
    """Return the command that the run was started with, and `more`; CONFIG where it was started from Python.

    With `copied`, it is for a copy of the configuration, whose run has another name.
    """
    words = shlex.split(run.environment.get("command", ""))
    if words[:3] != ["python", "-m", "search"] or not any(word.endswith(".toml") for word in words):
        words = ["python", "-m", "search", "run", "CONFIG.toml"]
    words = [word for word in words if word != "--resume"]
    if copied:
        words = [word.removesuffix(".toml") + "-2.toml" if word.endswith(".toml") else word for word in words]
    return shlex.join([*words, *more])


def _go_on(run: Run) -> list[Step]:
    ended, planned = int(run.trials.state.isin(ENDED).sum()), run.planned
    if ended >= planned:
        return []
    found = [Step(f"{ended} of {count(planned, 'trial')} have ended: go on.", again(run, "--resume"))]
    if (run.trials.state == "complete").any():
        found.append(Step("Or confirm and export the best of what there is so far.", _search("confirm", run)))
    return found


def _retry(run: Run) -> list[Step]:
    failed = int((run.trials.state == "failed").sum())
    if not failed or failed < MANY_FAILED * len(run.trials):
        return []
    words = f"{count(failed, 'trial')} of {len(run.trials)} failed: once the cause is mended, try them again."
    return [Step(words, again(run, "--resume", "--retry-failed"))]


def _widen(run: Run) -> list[Step]:
    steps = []
    for edge in edges(run.trials, run.experiment.space):
        words = f"The best values of {edge.name} lie at the {edge.side} end of its range: widen it and search on."
        steps.append(Step(words, _twice(run), (_wider(edge, run.experiment.space.priors),)))
    return steps


def _more(run: Run) -> list[Step]:
    """Return a longer search, or a wider one where more trials can't pay."""
    noise, risen = seed_noise(run.confirmation, trials=2), room(run)
    if len(run.trials) >= size(run.experiment.space) or noise is None or risen is None:
        return []
    if is_worthwhile(risen, noise[0]):
        words = f"More trials can pay: while their number doubled, the best rose by {points(risen)} points."
        return [Step(words, _twice(run))]
    words = (
        "More trials of this space can hardly pay: what is left to gain lies within the noise of a run. A search with "
        "more epochs, wider layers or augmentation has more room."
    )
    return [Step(words, "python -m search run configs/best.toml")]


def _tell_apart(run: Run) -> list[Step]:
    """Return a confirmation on more seeds, where so few do not tell the winner from the recipe."""
    found = gain(run)
    if found is None or found.low > 0 or found.high < 0 or not found.mean > 0:
        return []
    # The interval shrinks with the root of the pairs; while they are few, Student's t makes it shrink faster.
    pairs = math.ceil(found.pairs * ((found.high - found.low) / 2 / found.mean) ** 2)
    seeds = min(max(pairs, found.pairs + 2), MOST_SEEDS)
    words = (
        f"{count(found.pairs, 'pair')} of seeds do not tell the winner from the article's recipe: begin a new run, "
        "from a copy of the configuration, with the best of this one, and confirm on more seeds."
    )
    lines = (f'start_from = "{run.path}"  # in [search]', f"seeds = {seeds}  # in [confirm], in place of its seeds")
    return [Step(words, again(run, copied=True), lines)]


def _use(run: Run) -> list[Step]:
    if not run.model:
        return []
    export = shlex.quote(str(run.path / "export"))
    return [
        Step(
            "Classify pictures of digits with what was exported.", f"python classify_image.py IMAGE... --model {export}"
        ),
        Step("Draw a digit, and watch what it makes of it.", f"python -m model.draw --model {export}"),
    ]


def _twice(run: Run) -> str:
    return again(run, "--resume", "--trials", str(2 * len(run.trials)))


def _search(command: str, run: Run, *more: str) -> str:
    return shlex.join(["python", "-m", "search", command, str(run.path), *more])


def _wider(edge: Edge, priors: dict[str, Any]) -> str:
    """Return the line of a range that is half as long again at the crowded end, within what is allowed."""
    of = edge.distribution
    low, high, step, log = of.low, of.high, of.step, of.log  # type: ignore[attr-defined]
    sign = -1 if edge.side == "low" else 1
    if log:
        beyond = edge.end * math.sqrt(high / low) ** sign
    elif step:
        beyond = edge.end + sign * step * math.ceil((high - low) / step / 2)
    else:
        beyond = edge.end + sign * (high - low) / 2
    least, greatest = limits(edge.name)
    beyond = min(max(beyond, least), greatest)
    beyond = round(beyond) if isinstance(low, int) else float(f"{beyond:.2g}")
    parts = {"low": beyond if sign < 0 else low, "high": beyond if sign > 0 else high}
    parts |= {"log": "true"} if log else {"step": step} if step not in (None, 1) else {}
    parts |= {"prior": priors[edge.name]} if edge.name in priors else {}
    return f"{edge.name} = {{ {', '.join(f'{key} = {value}' for key, value in parts.items())} }}"
