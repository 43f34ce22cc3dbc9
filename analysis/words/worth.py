"""What a search was worth, in words: its gain over the article's recipe, its cost, what it saved, whether to go on."""

import pandas as pd

from analysis.numbers.confirmation import interval_words, seed_noise
from analysis.numbers.outlook import epochs_saved, is_worthwhile, room
from analysis.numbers.wording import count, duration, percent, points, recipe_name
from analysis.tables.run import Run, repeats_of
from analysis.tables.winner import gain, has_learned, is_recipe
from search.space import size
from search.store.candidates import standing
from search.strategy.racing import Difference, difference


def worth(run: Run) -> dict[str, str]:
    """Return what is known of it by a label, in words that go on after the label; what is not known is left out."""
    found = {"picked": _picked(run), "size": _size(run), "gain": _gain(run)}
    found |= {"cost": _cost(run), "saved": _saved(run), "outlook": _outlook(run)}
    if has_learned(run) is False:  # then sizes and trends are those of noise
        found |= {"size": None, "outlook": None}
    return {label: words for label, words in found.items() if words}


def _picked(run: Run) -> str | None:
    source = run.model.get("provenance", {}).get("source", {})
    if not source.get("picked") or run.leading is None:
        return None
    winner = f"trial {run.leading.candidate} with {percent(run.leading.mean)} ({run.leading.mean_of})"
    return f"trial {run.winner} is exported because a person picked it; the winner is {winner}"


def _size(run: Run) -> str | None:
    """Return why a smaller network won, if one did that does not lead."""
    if not run.candidates or run.candidates[0].number != run.winner:
        return None
    winner, leader = run.candidates[0], min(run.candidates, key=standing)
    found = difference(winner.scores, leader.scores)
    if winner is leader or found is None:
        return None
    sizes = f"it has {winner.num_parameters:,} parameters instead of {leader.num_parameters:,}"
    apart = f"their seeds do not tell the two apart ({_interval(found, 1)})"
    return f"trial {winner.number} was preferred to trial {leader.number}: {sizes}, and {apart}"


def _gain(run: Run) -> str | None:
    winner, recipe = repeats_of(run, run.winner), run.recipe
    if winner is None or recipe is None:
        return None
    name = recipe_name(run.experiment.recipe_differences)
    if is_recipe(run, winner):
        return f"none: what is exported is {name}"
    found = gain(run)
    if found is None:
        return f"unknown: fewer than two runs of {name} make pairs with those of trial {winner.number}"
    words = f"{points(found.mean)} points over {name} ({_interval(found, len(run.candidates))})"
    if found.high < 0:
        return f"{words}: the recipe is better than what is exported; prefer it, or search on"
    return words if found.low > 0 else f"{words}: these seeds do not tell the two apart"


def _interval(found: Difference, candidates: int) -> str:
    limits = f"{points(found.low)} to {points(found.high)}"
    return f"{interval_words(candidates)}: {limits}, {count(found.pairs, 'pair')}"


def _cost(run: Run) -> str | None:
    if run.trials.empty:
        return None
    parts = [f"{count(len(run.trials), 'trial')}, {_spent(run.trials)}"]
    if len(run.confirm):
        parts.append(f"confirmation: {count(len(run.confirm), 'run')}, {_spent(run.confirm)}")
    if len(run.refits):
        parts.append(f"refit: {_spent(run.refits)}")
    return "; ".join(parts)


def _spent(trials: pd.DataFrame) -> str:
    """Return what trials took; an epoch that was trained again, as after a kill, counts once."""
    seconds = trials.duration.sum().total_seconds()
    return f"{count(int(trials.epochs_run.sum()), 'epoch')}, {duration(seconds)} of training"


def _saved(run: Run) -> str | None:
    saved = epochs_saved(run.trials)
    if not saved:
        return None
    return f"{saved} of the {int(run.trials.epochs.sum())} epochs that all trials to their end would have taken"


def _outlook(run: Run) -> str | None:
    """Return whether more trials look worthwhile."""
    if len(run.trials) >= size(run.experiment.space):
        return "every point of the space was tried: more trials need a wider one" if len(run.trials) > 1 else None
    noise, risen = seed_noise(run.confirmation, trials=2), room(run.trials)
    if noise is None or risen is None:
        return None
    trend = f"while the number of trials doubled, the best rose by {points(risen)} points"
    if is_worthwhile(risen, noise[0]):
        return f"more trials look worthwhile: {trend}, more than the noise of a run ({points(noise[0])[1:]} points)"
    return f"more trials hardly look worthwhile: {trend}, within the noise of a run ({points(noise[0])[1:]} points)"
