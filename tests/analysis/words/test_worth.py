"""What a search was worth, in the words that the terminal and the report share."""

from typing import Any

import pytest

from analysis.tables.run import read_run
from analysis.words.worth import worth
from model.hyperparameters import RECIPE
from tests.analysis.studies import NewRun, Writer

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 2}
POINT = {"learning_rate": 0.5}
WINNER = [0.9930, 0.9932, 0.9934, 0.9936, 0.9938]


def searched(new_run: NewRun, accuracies: list[float], recipe: Any = None) -> Writer:
    """A search whose complete trials have these accuracies, and which is compared with `recipe`."""
    new = new_run(SPACE, trials=len(accuracies), confirm={"recipe": recipe} if recipe is not None else {})
    for accuracy in accuracies:
        new.trial([0.9, accuracy], params=POINT)
    return new


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        # The differences are 0.29, 0.30, 0.31, 0.32 and 0.33 points: t(0.975, 4) 0.0158 / sqrt(5) = 0.020
        ([0.9901, 0.9902, 0.9903, 0.9904, 0.9905], "+0.31 points over {} (95 % interval: +0.29 to +0.33, 5 pairs)"),
        ([0.9934, 0.9932, 0.993, 0.9936, 0.9938], "-0.04 to +0.04, 5 pairs): these seeds do not tell the two apart"),
        (
            [0.995, 0.9952, 0.9954, 0.9956, 0.9959],
            "): the recipe is better than what is exported; prefer it, or search on",
        ),
        ([0.99], "unknown: fewer than two runs of {} make pairs with those of trial 0"),
    ],
)
def test_the_gain_over_the_recipe_is_paired_by_seed(new_run: NewRun, recipe: list[float], words: str) -> None:
    new = searched(new_run, [0.99], {})
    new.confirm(0, WINNER, POINT)
    new.recipe(recipe, {})
    gain = worth(read_run(new.run_dir))["gain"]
    assert gain.endswith(words.format("the article's recipe"))


def test_the_gain_of_the_best_of_several_allows_for_its_selection_and_names_what_the_recipe_lacks(
    new_run: NewRun,
) -> None:
    new = searched(new_run, [0.99, 0.98], {"epochs": 3, "pool": "early"})
    for candidate in (0, 1):
        new.confirm(candidate, [value - 0.01 * candidate for value in WINNER], POINT)
    new.recipe([0.9901, 0.9902, 0.9903, 0.9904, 0.9905], {"epochs": 3, "pool": "early"})
    # t(0.9875, 4) = 3.495: 3.495 * 0.0158 / sqrt(5) = 0.025
    assert worth(read_run(new.run_dir))["gain"] == (
        "+0.31 points over the article's recipe with epochs = 3, pool = early "
        "(95 % interval, simultaneous for 2 candidates: +0.29 to +0.33, 5 pairs)"
    )


def test_a_winner_that_is_the_recipe_gains_nothing(new_run: NewRun) -> None:
    new = searched(new_run, [0.99], {"epochs": 2, "learning_rate": 0.5})
    new.confirm(0, WINNER, POINT)
    new.recipe(WINNER, {"epochs": 2, "learning_rate": 0.5})
    assert worth(read_run(new.run_dir))["gain"].startswith(
        "none: what is exported is the article's recipe with epochs = 2"
    )


def test_a_smaller_network_that_was_preferred_is_named_with_what_it_saves(new_run: NewRun) -> None:
    new = searched(new_run, [0.99, 0.98])
    new.confirm(0, WINNER, POINT)
    new.confirm(1, [*WINNER[::-1][:4], 0.9925], POINT, num_parameters=10)
    found = worth(read_run(new.run_dir))["size"]
    sizes = f"it has 10 parameters instead of {RECIPE.num_parameters:,}"
    assert found.startswith(f"trial 1 was preferred to trial 0: {sizes}, and their seeds")
    assert found.endswith(", 5 pairs)")


def test_the_cost_counts_what_was_trained_and_early_stopping_what_was_not(new_run: NewRun) -> None:
    new = searched(new_run, [0.99, 0.98])
    new.trial([0.9], "pruned", POINT)
    new.confirm(0, WINNER, POINT)
    found = worth(read_run(new.run_dir))
    assert found["cost"] == "3 trials, 5 epochs, 10 s of training; confirmation: 5 runs, 5 epochs, 10 s of training"
    assert found["saved"] == "1 of the 6 epochs that all trials to their end would have taken"


@pytest.mark.parametrize(("last", "words"), [(0.9950, "look worthwhile"), (0.9931, "hardly look worthwhile")])
def test_more_trials_look_worthwhile_if_the_last_ones_gained_more_than_noise(
    new_run: NewRun, last: float, words: str
) -> None:
    new = searched(new_run, [0.98, 0.99, 0.993, 0.97, 0.98, 0.99, 0.98, last])
    new.confirm(7, WINNER, POINT)
    assert worth(read_run(new.run_dir))["outlook"].startswith(
        f"more trials {words}: while the number of trials doubled"
    )


def test_without_noise_or_with_few_trials_nothing_is_said_of_more(new_run: NewRun) -> None:
    assert "outlook" not in worth(read_run(searched(new_run, [0.98] * 8).run_dir))
    few = new_run(SPACE, name="few", trials=2)
    few.trial([0.9, 0.98], params=POINT)
    few.confirm(0, WINNER, POINT)
    assert "outlook" not in worth(read_run(few.run_dir))


def test_a_picked_trial_is_told_beside_the_winner(new_run: NewRun) -> None:
    new = searched(new_run, [0.99, 0.98])
    new.confirm(0, WINNER, POINT)
    new.export({"val_accuracy": 0.98}, {"source": {"candidate": 1, "picked": True}})
    assert worth(read_run(new.run_dir))["picked"] == (
        "trial 1 is exported because a person picked it; the winner is trial 0 with 99.34 % (mean of 5 fresh seeds)"
    )
