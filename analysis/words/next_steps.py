"""What to do next with a run: each step in words, with the command that does it."""

import math
import shlex
from dataclasses import dataclass

from analysis.numbers.confirmation import seed_noise
from analysis.numbers.outlook import is_worthwhile, room
from analysis.numbers.summary import ENDED, Edge, edges
from analysis.numbers.wording import count, listed_words, points
from analysis.tables.run import Run
from analysis.tables.winner import gain, has_learned
from analysis.words.learned import remedy
from analysis.words.wider import wider
from search.space import size
from search.store.chance import likely_cause

MANY_FAILED = 0.1  # share of the trials
MOST_SEEDS = 12  # that are proposed: more cost more than a difference so small is worth
LARGER = "configs/best.toml"  # the most accurate of the configurations that come along
OF_ONE_SESSION = ("--resume", "--retry-failed", "--quiet", "--json")


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
    if has_learned(run) is False:
        return [*_retry(run), _learn(run), *_go_on(run)]
    # What comes after the end is proposed at the end, and a wider range is searched by more trials too.
    further = _go_on(run) or [*(_widen(run) or _more(run)), *_tell_apart(run)]
    return [*_retry(run), *further, *_use(run)]


def again(run: Run, *more: str, copied: bool = False) -> str:
    """Return the command that the run was started with, and `more`; CONFIG.toml where that is not known.

    With `copied`, it is for a copy of the configuration, whose run has another name.
    """
    words = shlex.split(run.environment.get("command", ""))
    known = words[:3] == ["python", "-m", "search"] and any(word.endswith(".toml") for word in words)
    if not known or any(word.startswith("--parent") for word in words):  # which Python starts it with
        words = ["python", "-m", "search", "run", "CONFIG.toml"]
    words = _without(words, "--trials")
    if copied:
        words = [word.removesuffix(".toml") + "-2.toml" if word.endswith(".toml") else word for word in words]
        words = _without(words, "--name")
    return shlex.join([*(word for word in words if word not in OF_ONE_SESSION), *more])


def _without(words: list[str], option: str) -> list[str]:
    """Return the words of a command without an option and its value."""
    kept = [word for word in words if not word.startswith(f"{option}=")]
    if option in kept:
        place = kept.index(option)
        del kept[place : place + 2]
    return kept


def _go_on(run: Run) -> list[Step]:
    """Return how to go on with a run that is not at its end."""
    ended, planned = int(run.trials.state.isin(ENDED).sum()), run.planned
    complete = bool((run.trials.state == "complete").any())
    unsettled = complete and has_learned(run) is not False and (run.state == "interrupted" or not run.model)
    settle = (
        [Step("Confirm and export the best of what there is so far.", _search("confirm", run))] if unsettled else []
    )
    if ended >= planned:
        return settle
    words = f"{ended} of {count(planned, 'trial')} have ended: go on."
    minutes, clock = run.experiment.resources.max_minutes, run.epochs.clock.max()
    if minutes is not None and clock.total_seconds() >= 60 * minutes:
        lines = (f"max_minutes = {2 * minutes:g}  # in [resources], in place of {minutes:g}",)
        return [Step(f"The time was up after {words}", again(run, "--resume"), lines), *settle]
    return [Step(words, again(run, "--resume")), *settle]


def _retry(run: Run) -> list[Step]:
    failed = run.failed
    if failed is None or failed.failed < MANY_FAILED * sum(stage.ended for stage in failed.stages):
        return []
    words = f"Failed: {failed.words}. Correct the cause, then try again what failed."
    return [Step(words, again(run, "--resume", "--retry-failed"))]


def _learn(run: Run) -> Step:
    """Return a new run with what may have kept this one from learning changed."""
    words = f"Nothing was learned: probably {likely_cause(run.experiment)}. Begin a new run, from a changed copy."
    return Step(words, again(run, copied=True), remedy(run))


def _widen(run: Run) -> list[Step]:
    """Return a search in wider ranges, where the best lie at an end of theirs."""
    space = run.experiment.space
    found = {edge.name: edge for edge in edges(run.trials, space)}
    lines = {name: line for name, edge in found.items() if (line := wider(edge, space.priors.get(name)))}
    if not lines:
        return []
    ends = listed_words([_end(found[name]) for name in lines])
    return [_longer(run, f"The best values lie at {ends}: widen the range and search on.", *lines.values())]


def _end(edge: Edge) -> str:
    return f"the {edge.side} end of {edge.name}"


def _more(run: Run) -> list[Step]:
    """Return a longer search, or a wider one where more trials can't pay."""
    noise, risen = seed_noise(run.confirmation, trials=2), room(run.trials)
    if len(run.trials) >= size(run.experiment.space) or noise is None or risen is None:
        return []
    if is_worthwhile(risen, noise[0]):
        words = f"More trials can pay: while their number doubled, the best rose by {points(risen)} points."
        return [_longer(run, words)]
    if LARGER in run.environment.get("command", ""):
        return []
    words = (
        "More trials of this space can hardly pay: what is left to gain lies within the noise of a run. A search with "
        "more epochs, wider layers or augmentation has more room."
    )
    return [Step(words, f"python -m search run {LARGER}")]


def _longer(run: Run, words: str, *lines: str) -> Step:
    """Return a search of twice as many trials as it may have now; one that ended itself must not do so again."""
    if run.early_end:
        lines = (*lines, "# without the line `stop` in [search]")
    trials = 2 * max(len(run.trials), run.experiment.search.trials)
    return Step(words, again(run, "--resume", "--trials", str(trials)), lines)


def _tell_apart(run: Run) -> list[Step]:
    """Return a confirmation on more seeds, where so few do not tell the winner from the recipe."""
    found = gain(run)
    if found is None or found.low > 0 or found.high < 0 or not found.mean > 0 or found.pairs >= MOST_SEEDS:
        return []
    # The interval shrinks with the root of the pairs; while they are few, Student's t makes it shrink faster.
    pairs = math.ceil(found.pairs * ((found.high - found.low) / 2 / found.mean) ** 2)
    seeds = min(max(pairs, found.pairs + 2), MOST_SEEDS)
    words = (
        f"{count(found.pairs, 'pair')} of seeds do not tell the winner from the article's recipe: begin a new run, "
        "from a copy of the configuration, with the best of this one, and confirm on more seeds."
    )
    lines = [f'start_from = "{run.path}"  # in [search]', f"seeds = {seeds}  # in [confirm], in place of its seeds"]
    if (run.experiment.confirm.most_seeds or seeds) < seeds:
        lines.append(f"most_seeds = {seeds}  # likewise")
    return [Step(words, again(run, copied=True), tuple(lines))]


def _use(run: Run) -> list[Step]:
    if not run.model:
        return []
    export = shlex.quote(str(run.path / "export"))
    classify = f"python classify_image.py IMAGE... --model {export}"
    return [
        Step("Classify pictures of digits with what was exported.", classify),
        Step("Draw a digit, and watch what it makes of it.", f"python -m model.draw --model {export}"),
    ]


def _search(command: str, run: Run, *more: str) -> str:
    return shlex.join(["python", "-m", "search", command, str(run.path), *more])
