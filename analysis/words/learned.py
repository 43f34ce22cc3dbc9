"""A search in which nothing was learned, in words: that it is so, the likely cause, and what to change."""

from analysis.tables.run import Run
from analysis.tables.winner import has_learned, winner_accuracy
from search.space import USUAL, unusual
from search.store.chance import as_chance, likely_cause


def nothing_learned(run: Run) -> dict[str, str]:
    """Return that nothing was learned, and the likely cause, by their labels; nothing where a trial has learned."""
    if has_learned(run) is not False:
        return {}
    accuracy, _ = winner_accuracy(run)
    found = f"nothing: by trial {run.winner} {as_chance(run.experiment, accuracy)}"
    return {"learned": found, "cause": f"probably {likely_cause(run.experiment)}"}


def remedy(run: Run) -> tuple[str, ...]:
    """Return the lines of a configuration that may learn; none where its learning rates are usual already."""
    space = run.experiment.space
    if unusual(space) is None:
        return ()
    low, high = USUAL[space.fixed["optimizer"]]
    return (f"learning_rate = {{ low = {low:g}, high = {high:g}, log = true }}  # in [hyperparameters]",)
