"""What was learned from a run besides the short answers (in_short.py), in plain sentences."""

import pandas as pd

from analysis.numbers.confirmation import interval_words, seed_noise
from analysis.numbers.summary import ENDED, Edge, edges, finished, searched_fields
from analysis.numbers.wording import count, format_value, listed, percent, points
from analysis.tables.run import Run, repeats_of
from analysis.tables.winner import has_learned
from model.catalogue import FALLBACK, FALLBACK_NOTE
from search.store.candidates import next_round
from search.strategy.racing import difference


def verdict(run: Run) -> list[str]:
    """Return what else was found, the most important first, one or two sentences each."""
    found = [part(run) for part in (fallback_note, _calibration, _no_refit, _confirmed)]
    found += run.failures
    found += [part(run) for part in (_best, _counts, _too_slow, _early_end, _unfinished, _noise)]
    if has_learned(run) is not False:  # else the best are so by chance
        found += [_crowded(edge) for edge in edges(run.trials, run.experiment.space)]
    return [sentence for sentence in found if sentence]


def fallback_note(run: Run) -> str | None:
    """Return a warning if the run was trained on the stand-in data set."""
    if run.dataset != FALLBACK:
        return None
    wanted = run.experiment.data.dataset
    return f"{wanted} was not available: {FALLBACK_NOTE}. No number here says anything about {wanted}."


def _calibration(run: Run) -> str | None:
    metrics, images = run.model.get("metrics", {}), run.model.get("provenance", {}).get("calibration_images")
    if not images or "test_ece" not in metrics:
        return None
    fitted = f"calibrated by a temperature of {run.model['temperature']:.2f}, fitted on {images:,} images new to it"
    error = f"{percent(metrics['test_ece'])} on the test images, {percent(metrics['test_ece_uncalibrated'])} without it"
    return f"The probabilities of the exported model are {fitted}; their expected calibration error is {error}."


def _no_refit(run: Run) -> str | None:
    reason = run.model.get("provenance", {}).get("no_refit")
    return f"{reason[0].upper()}{reason[1:]}." if reason else None


def _confirmed(run: Run) -> str | None:
    table = run.confirmation
    if table.empty or not table.n.iloc[0]:
        return None
    first, others = table.iloc[0], table[table.n > 0].iloc[1:]
    mean = percent(first["mean"])
    leader = f"Trained again on {count(int(first.n), 'fresh seed')}, trial {int(first.candidate)} has a mean of {mean}"
    if first.n == 1:
        return f"{leader}; one run gives no interval."
    leader += f" ({interval_words(len(table))}: {100 * first.low:.2f} to {percent(first.high)})"
    return f"{leader}; {_runner_up(run, int(first.candidate), others.iloc[0])}." if len(others) else f"{leader}."


def _runner_up(run: Run, first: int, second: pd.Series) -> str:
    """Return whether the runner-up can be told from the first: by pairs of one seed, as in the race."""
    trial = f"trial {int(second.candidate)} ({percent(second['mean'])})"
    ours, theirs = (repeats_of(run, number) for number in (first, int(second.candidate)))
    found = difference(ours.scores, theirs.scores) if ours and theirs else None
    if found is None:
        return f"the runner-up, {trial}, has no two seeds in common with it"
    interval = f"95 % interval, {found.pairs} pairs: {points(found.low)} to {points(found.high)}"
    gained = f"{points(found.mean)} points over the runner-up, {trial} ({interval})"
    return gained if found.low > 0 or found.high < 0 else f"{gained}: these seeds do not tell the two apart"


def _best(run: Run) -> str | None:
    complete = finished(run.trials)
    if complete.empty:
        return None
    best = complete.iloc[0]
    values = ", ".join(f"{name} = {format_value(best[name])}" for name in searched_fields(run.experiment.space))
    ending = f": {values}." if values else "."
    accuracy = f"{percent(best.val_accuracy)} after {count(best.epochs_run, 'epoch')}"
    return f"Best single run of the search: trial {best.number} with {accuracy}{ending}"


def _counts(run: Run) -> str:
    counts = run.trials.state.value_counts(sort=False)
    parts = [f"{number} {state}" for state, number in counts.items() if number]
    begun = f"{len(run.trials)} of {count(run.planned, 'planned trial')} begun"
    return f"{begun}: {', '.join(parts)}." if parts else f"{begun}."


def _early_end(run: Run) -> str | None:
    return f"{run.early_end[0].upper()}{run.early_end[1:]}." if run.early_end else None


def _too_slow(run: Run) -> str | None:
    broken = run.trials[run.trials.broken_constraint.notna()]
    if broken.empty:
        return None
    limit = f"`max_milliseconds_per_image = {run.experiment.constraints.max_milliseconds_per_image:g}`"
    who = f"{count(len(broken), 'trial')} ({listed(broken.number.tolist())})"
    return f"{who} ended after the first epoch: slower than {limit} allows."


def _unfinished(run: Run) -> str | None:
    planned, ended = run.planned, int(run.trials.state.isin(ENDED).sum())
    repeats, repeated = _planned_repeats(run), int(run.confirm.state.isin(ENDED).sum())
    searched = ended >= planned
    if run.live:
        stage = f"search is done, its confirmation ({repeated} of {repeats} runs)" if searched else "search"
        return f"The {stage} is running; this is how it stood at {run.read_at:%Y-%m-%d %H:%M:%S} UTC."
    if not searched:
        return _stopped(run, f"search stopped before its end, after {ended} of {count(planned, 'trial')}")
    if repeated < repeats:
        return _stopped(run, f"confirmation stopped before its end, after {repeated} of {count(repeats, 'run')}")
    return None


def _stopped(run: Run, what: str) -> str:
    minutes = run.experiment.resources.max_minutes
    budget = f"; its time budget was max_minutes = {minutes:g}" if minutes else ""
    remedy = "Go on with `python -m search CONFIG --resume`, CONFIG being the file that it was started with."
    return f"The {what}{budget}. {remedy}"


def _planned_repeats(run: Run) -> int:
    """Return how many runs the confirmation has as far as is known: a race grows as it goes."""
    plan = run.experiment.confirm
    candidates = min(plan.top, len(finished(run.trials)))
    first = (candidates + (plan.recipe is not None and candidates > 0)) * plan.seeds
    queued = sum(candidate.planned for candidate in run.candidates) + (run.recipe.planned if run.recipe else 0)
    return max(first, queued + len(next_round(run.candidates, plan.most_seeds or plan.seeds)))


def _crowded(edge: Edge) -> str:
    crowd = f"{edge.crowd} of the {edge.best} best trials lie at the {edge.side} end of its range"
    verb = "lower" if edge.side == "low" else "raise"
    return f"{edge.name}: {crowd} ({format_value(edge.end)}); {verb} `{edge.side}` to see whether the best lies beyond."


def _noise(run: Run) -> str | None:
    complete, table = finished(run.trials), run.confirmation
    if len(complete) < 2:
        return None
    noise = seed_noise(table, len(complete))
    if noise is None:
        return "A single run per trial gives no measure of the noise between seeds; `[confirm]` with `seeds = 2` does."
    deviation, difference = (100 * value for value in noise)
    close = int((complete.val_accuracy >= complete.val_accuracy.iloc[0] - noise[1]).sum()) - 1
    others = f"{close or 'none'} of the other {count(len(complete) - 1, 'complete trial')} came that close to the best"
    return (
        f"Between fresh seeds an accuracy has a standard deviation of {deviation:.2f} points, so single runs up to "
        f"{difference:.2f} points apart can't be told from each other (Tukey, 5 %): {others}."
    )
