"""The winner of a run in numbers: its accuracy on fresh seeds, and what it gains over the article's recipe."""

from analysis.numbers.confirmation import level
from analysis.tables.run import Run, repeats_of
from model.hyperparameters import Hyperparameters
from search.space import complete
from search.store.candidates import Candidate
from search.store.chance import is_chance
from search.strategy.racing import Difference, difference
from search.winner import COMPARED


def winner_accuracy(run: Run) -> tuple[float, int]:
    """Return the winner's validation accuracy, NaN without a winner, and the number of fresh seeds it is a mean of."""
    if repeated := repeats_of(run, run.winner):
        return repeated.mean, len(repeated.complete)
    return float(run.trials.val_accuracy[run.trials.number == run.winner].max()), 0


def has_learned(run: Run) -> bool | None:
    """Return whether the winner is better than chance; None without a winner."""
    accuracy, _ = winner_accuracy(run)
    compared = int(run.trials.state.isin(COMPARED).sum())
    return None if run.winner is None else not is_chance(run.experiment, accuracy, compared)


def gain(run: Run) -> Difference | None:
    """Return what the winner gains over the recipe, paired by seed; None where no two pairs can tell.

    Its interval allows for the selection of the best.
    """
    winner, recipe = repeats_of(run, run.winner), run.recipe
    if winner is None or recipe is None or is_recipe(run, winner):
        return None
    return difference(winner.scores, recipe.scores, level(len(run.candidates)))


def is_recipe(run: Run, winner: Candidate) -> bool:
    """Return whether the winner has the hyperparameters of the recipe."""
    recipe = Hyperparameters(**(run.experiment.recipe_differences or {}))
    return complete(run.experiment.space, winner.runs[0].params) == recipe
