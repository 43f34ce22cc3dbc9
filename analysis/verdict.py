"""What was learned, in plain sentences."""

import math
import re

import pandas as pd

from analysis.confirmation import confirmation
from analysis.failures import set_apart
from analysis.run import Run
from analysis.summary import edges, finished, format_value, searched_fields
from model.catalogue import FALLBACK, FALLBACK_NOTE

ENDED = ("complete", "pruned", "failed")
STATES = (*ENDED, "running", "interrupted")


def headline(run: Run) -> str:
    """The most important finding in one line."""
    winner = winner_of(run)
    if winner is None:
        if run.live:
            return f"{run.name}: running, no trial is complete yet"
        return f"{run.name}: no trial is complete" if len(run.trials) else f"{run.name}: no trial has begun"
    best = run.trials[run.trials.number == winner].iloc[0]
    confirmed = confirmation(run.confirm)
    if confirmed.n.sum():
        mean, seeds = percent(confirmed["mean"][0]), _count(int(confirmed.n[0]), "fresh seed")
        return f"{run.name}: trial {winner} reaches {mean} validation accuracy, mean of {seeds}"
    return f"{run.name}: trial {winner} reaches {percent(best.val_accuracy)} validation accuracy, in a single run"


def winner_of(run: Run) -> int | None:
    """Number of the trial that leads: by its confirmed mean where there is one, else by its single value."""
    confirmed = confirmation(run.confirm)
    if confirmed.n.sum():
        return int(confirmed.candidate[0])
    complete = finished(run.trials)
    return int(complete.number.iloc[0]) if len(complete) else None


def verdict(run: Run) -> list[str]:
    """All findings, the most important first, one sentence or two each."""
    found = [fallback_note(run), _test(run), _confirmed(run), _best(run), _counts(run), _unfinished(run), _noise(run)]
    return [sentence for sentence in found if sentence] + edges(run.trials, run.experiment.space)


def post_mortem(trials: pd.DataFrame) -> list[str]:
    """One sentence per reason of failure, the most frequent first; one on retries, and one on damaged saved states.

    Reasons are told apart by their first line, in which numbers don't count.
    """
    failed, ended = trials[trials.state == "failed"], trials[trials.state.isin(ENDED)]
    reasons = failed.error.fillna("no reason was recorded").str.strip().str.split("\n").str[0]
    sentences = []
    for _, lines in sorted(reasons.groupby(reasons.map(_without_numbers)), key=lambda group: -len(group[1])):
        group = failed.loc[lines.index]
        said = f"{_count(len(group), 'trial')} failed ({_listed(group.number)}): {lines.iloc[0]}"
        if shared := set_apart(group, ended.drop(group.index)):
            said = f"{said.rstrip('.')}; what they share and no other ended trial has: {', '.join(shared)}"
        sentences.append(said)
    retried = trials[trials.retries.fillna(0) > 0]
    if len(retried):
        sentences.append(
            f"{_count(len(retried), 'trial')} went on after a worker had died ({_listed(retried.number)})."
        )
    damaged = trials[trials.damaged.notna()]
    if len(damaged):
        found = f"{_count(len(damaged), 'trial')} went on after a damaged saved state ({_listed(damaged.number)})"
        sentences.append(f"{found}: {damaged.damaged.iloc[0]}")
    return sentences


def differing_data(runs: list[Run]) -> str | None:
    """A warning where accuracies of several runs don't compare."""
    used = {run.name: (dataset_of(run), validation_images(run), run.experiment.search.seed) for run in runs}
    if len(set(used.values())) < 2:
        return None
    each = "; ".join(
        f"{name}: {data}, {images:,} validation images, seed {seed}" for name, (data, images, seed) in used.items()
    )
    return f"The runs did not choose on the same validation images ({each}): compare their accuracies with care."


def dataset_of(run: Run) -> str:
    return str(run.experiment.automatic.get("dataset", run.experiment.data.dataset))


def validation_images(run: Run) -> int:
    return int(run.experiment.automatic.get("validation_images", run.experiment.data.validation_images))


def percent(accuracy: float | None) -> str:
    return "-" if accuracy is None or math.isnan(accuracy) else f"{100 * accuracy:.2f} %"


def fallback_note(run: Run) -> str | None:
    if dataset_of(run) != FALLBACK:
        return None
    wanted = run.experiment.data.dataset
    return f"{wanted} was not to be had: {FALLBACK_NOTE}. No number here says anything about {wanted}."


def _test(run: Run) -> str | None:
    metrics, provenance = run.model.get("metrics", {}), run.model.get("provenance", {})
    source = provenance.get("source", {})
    accuracy = metrics.get("test_accuracy")
    if accuracy is None:
        return None
    images = metrics.get("test_images", run.experiment.automatic.get("test_images"))
    of_trial = f"trial {source['candidate']}" if "candidate" in source else "the winner"
    if source.get("refit"):
        of_trial += f", trained on the validation images too: {provenance['training_images']:,} in all"
    scored = f"on {images:,} test images" if images else "on the test images"
    return f"Test accuracy of the exported model ({of_trial}): {percent(accuracy)} {scored}, scored once."


def _confirmed(run: Run) -> str | None:
    table = confirmation(run.confirm)
    table = table[table.n > 0]
    if table.empty:
        return None
    first = table.iloc[0]
    mean = percent(first["mean"])
    said = f"Trained again on {_count(int(first.n), 'fresh seed')}, trial {int(first.candidate)} has a mean of {mean}"
    if first.n == 1:
        return f"{said}; one run gives no interval."
    said += f" (95 % interval {100 * first.low:.2f} to {percent(first.high)})"
    if len(table) == 1:
        return f"{said}."
    second = table.iloc[1]
    if second.n == 1:
        return f"{said}; the runner-up, trial {int(second.candidate)}, has one run and no interval to compare."
    if first.low > second.high:
        return f"{said}; its interval lies above that of the runner-up, trial {int(second.candidate)}: a clear winner."
    runner_up = f"trial {int(second.candidate)} ({percent(second['mean'])})"
    return f"{said}; its interval overlaps that of the runner-up, {runner_up}: these seeds do not tell the two apart."


def _best(run: Run) -> str | None:
    complete = finished(run.trials)
    if complete.empty:
        return None
    best = complete.iloc[0]
    values = ", ".join(f"{name} = {format_value(best[name])}" for name in searched_fields(run.experiment.space))
    ending = f": {values}." if values else "."
    accuracy = f"{percent(best.val_accuracy)} after {_count(best.epochs_run, 'epoch')}"
    return f"Best single run of the search: trial {best.number} with {accuracy}{ending}"


def _counts(run: Run) -> str:
    counts = run.trials.state.value_counts()
    parts = [f"{counts[state]} {state}" for state in STATES if state in counts]
    begun = f"{len(run.trials)} of {_count(run.experiment.search.trials, 'planned trial')} begun"
    return f"{begun}: {', '.join(parts)}." if parts else f"{begun}."


def _unfinished(run: Run) -> str | None:
    planned, ended = run.experiment.search.trials, int(run.trials.state.isin(ENDED).sum())
    repeats, repeated = _planned_repeats(run), int(run.confirm.state.isin(ENDED).sum())
    if run.live:
        stage = "search" if ended < planned else f"search is done, its confirmation ({repeated} of {repeats} runs)"
        return f"The {stage} is running; this is how it stood at {run.read_at:%Y-%m-%d %H:%M:%S} UTC."
    if ended >= planned and repeated >= repeats:
        return None
    stopped = f"search stopped before its end, after {ended} of {_count(planned, 'trial')}"
    if ended >= planned:
        stopped = f"confirmation stopped before its end, after {repeated} of {_count(repeats, 'run')}"
    budget = run.experiment.resources.max_minutes
    remedy = f"; its time budget was max_minutes = {budget:g}" if budget else ""
    return (
        f"The {stopped}{remedy}. Go on with `python -m search CONFIG --resume`, "
        "CONFIG being the file that it was started with."
    )


def _planned_repeats(run: Run) -> int:
    plan = run.experiment.confirm
    return min(plan.top, len(finished(run.trials))) * plan.seeds


def _noise(run: Run) -> str | None:
    complete = finished(run.trials)
    if len(complete) < 2:
        return None
    best, images = complete.val_accuracy.iloc[0], validation_images(run)
    error = math.sqrt(best * (1 - best) / images)
    close = int((complete.val_accuracy >= best - error).sum()) - 1
    others = f"{close or 'none'} of the other {_count(len(complete) - 1, 'complete trial')}"
    return (
        f"On {images:,} validation images such an accuracy has a standard error of {100 * error:.2f} points; "
        f"{others} came that close to the best."
    )


def _without_numbers(line: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", line)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(numbers: "list[int] | pd.Series") -> str:
    shown = ", ".join(str(number) for number in list(numbers)[:10])
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown
