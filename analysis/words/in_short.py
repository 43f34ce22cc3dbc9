"""What most people want to know of a run: the most important finding in one line, and short answers by their labels."""

import pandas as pd

from analysis.numbers.confirmation import interval_words
from analysis.numbers.summary import searched_fields
from analysis.numbers.wording import format_value, percent, scored
from analysis.tables.run import Run
from analysis.tables.winner import has_learned, winner_accuracy
from analysis.words.learned import nothing_learned
from analysis.words.worth import worth
from search.store.failures import RETRIED
from search.winner import COMPARED, words_of_mean

ORDER = (
    "learned",
    "cause",
    "winner",
    "test",
    "picked",
    "size",
    "gain",
    "mattered",
    "outlook",
    "failed",
    "cost",
    "saved",
)
MOST_NAMED = 3  # hyperparameters that mattered


def headline(run: Run) -> str:
    """Return the most important finding in one line."""
    if run.winner is None:
        if run.live:
            return f"{run.name}: running, no trial is complete yet"
        return f"{run.name}: no trial is complete" if len(run.trials) else f"{run.name}: no trial has begun"
    accuracy, seeds = winner_accuracy(run)
    if has_learned(run) is False:
        return f"{run.name}: nothing was learned, the best trial is no better than chance ({percent(accuracy)})"
    reached = f"{run.name}: trial {run.winner} reaches {percent(accuracy)} validation accuracy"
    return f"{reached}, {words_of_mean(seeds, int(run.trials.state.isin(COMPARED).sum()))}"


def in_short(run: Run) -> dict[str, str]:
    """Return the answers that most people look for, in words by their labels."""
    found: dict[str, str | None] = {**worth(run), "test": _test_accuracy(run), "failed": _failed(run)}
    if nothing := nothing_learned(run):
        found |= nothing
    else:
        found |= {"winner": _winner(run), "mattered": _mattered(*run.importance)}
    return {label: words for label in ORDER if (words := found.get(label))}


def _failed(run: Run) -> str | None:
    """Return how many trials failed of how many, and the largest cause."""
    return f"{run.failed.words}; {RETRIED}" if run.failed else None


def _winner(run: Run) -> str | None:
    """Return which trial won, and with which values."""
    row = run.trials[run.trials.number == run.winner]
    if row.empty:
        return None
    values = ", ".join(f"{name} = {format_value(row.iloc[0][name])}" for name in searched_fields(run.experiment.space))
    accuracy, seeds = winner_accuracy(run)
    means = words_of_mean(seeds, int(run.trials.state.isin(COMPARED).sum()))
    table = run.confirmation[(run.confirmation.candidate == run.winner) & (run.confirmation.n > 1)]
    interval = f", {interval_words(len(run.confirmation))} {_span(table.iloc[0])}" if len(table) else ""
    return (
        f"trial {run.winner} with {percent(accuracy)} validation accuracy ({means}{interval}): {values or 'the recipe'}"
    )


def _span(row: pd.Series) -> str:
    return f"{100 * row.low:.2f} to {percent(row.high)}"


def _mattered(shares: pd.Series | None, text: str) -> str | None:
    if shares is None:
        return None
    most = [f"{name} ({share:.0%})" for name, share in shares.head(MOST_NAMED).items()]
    return f"{', '.join(most)} of {text}"


def _test_accuracy(run: Run) -> str | None:
    metrics, provenance = run.model.get("metrics", {}), run.model.get("provenance", {})
    source = provenance.get("source", {})
    accuracy = metrics.get("test_accuracy")
    if accuracy is None:
        return None
    images = metrics.get("test_images", run.experiment.automatic.get("test_images"))
    of_trial = f"trial {source['candidate']}" if "candidate" in source else "the winner"
    if source.get("refit"):
        of_trial += f", trained on validation images too: {provenance['training_images']:,} in all"
        if held_back := provenance.get("calibration_images"):  # none in an export of earlier versions
            of_trial += f", and {held_back:,} held back"
    on = f"on {images:,} test images" if images else "on the test images"
    often = scored(metrics.get("test_scorings"))
    return f"{percent(accuracy)} {on}, {often}, by the exported model ({of_trial})"
