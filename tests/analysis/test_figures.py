"""The figures draw the numbers they are given, and a sentence where there is too little data."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from analysis import figures
from analysis.figures.axes import STYLES, Draw, accuracy_axis, accuracy_ticks, sheet
from analysis.figures.values import value_panel
from analysis.numbers.confirmation import confirmation
from analysis.numbers.pareto import front
from analysis.numbers.summary import best_so_far, marginal
from search.store.candidates import THE_RECIPE, Candidate, candidates_of
from search.store.records import TrialRecord

RATE = FloatDistribution(0.1, 10.0, log=True)


def drawn(draw: Draw) -> Axes:
    """Return the axes of a figure with this one drawing."""
    figure = sheet([draw])
    figure.canvas.draw()
    return figure.axes[0]


def lines(ax: Axes) -> list[tuple[list[float], list[float]]]:
    """Return the x and y values of each line, in the order in which they were drawn."""
    return [(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()) for line in ax.get_lines()]


def curves(ax: Axes) -> list[list[list[float]]]:
    """Return the x and y values of each curve: in one line they are apart by a gap."""
    found = []
    for line in ax.get_lines():
        points = np.array([line.get_xdata(), line.get_ydata()])
        gaps = np.flatnonzero(np.isnan(points[0]))
        assert gaps[-1] == points.shape[1] - 1
        found += [part[:, ~np.isnan(part[0])].tolist() for part in np.split(points, gaps[:-1], axis=1)]
    return found


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def epochs(*rows: tuple[int, str, int, float]) -> pd.DataFrame:
    """Return an epoch table from (number, state, epoch, val_accuracy), whose losses grow with the epoch."""
    table = pd.DataFrame(list(rows), columns=["number", "state", "epoch", "val_accuracy"])
    return table.astype({"val_accuracy": float}).assign(train_loss=0.1 * table.epoch, val_loss=0.2 * table.epoch)


def test_every_trial_is_a_curve_in_the_style_of_its_state() -> None:
    table = epochs(
        (0, "complete", 1, 0.97), (0, "complete", 2, 0.98), (1, "pruned", 1, 0.96), (2, "complete", 1, 0.975)
    )
    ax = drawn(partial(figures.accuracy_curves, table))
    assert curves(ax) == [([[1], [0.96]]), ([[1, 2], [0.97, 0.98]]), ([[1], [0.975]])]
    assert [line.get_markevery() for line in ax.get_lines()] == [[0], [1, 3]]  # the ends
    assert legend(ax) == ["pruned (1)", "complete (2)"]
    assert ax.get_lines()[0].get_color() == STYLES["pruned"]["color"] != STYLES["complete"]["color"]


def test_a_curve_far_below_the_others_becomes_a_triangle_so_that_the_top_stays_visible() -> None:
    table = epochs((0, "complete", 1, 0.99), (1, "complete", 1, 0.992), (2, "pruned", 1, 0.11))
    ax = drawn(partial(figures.accuracy_curves, table))
    low, high = ax.get_ylim()
    assert 0.8 < low < 0.9
    assert high > 0.992
    triangle = next(line for line in ax.get_lines() if line.get_marker() == "v")
    assert np.asarray(triangle.get_ydata()).tolist() == [low]


@pytest.mark.parametrize(
    "accuracies", [[0.991, 0.9925], [0.1, 0.5], [0.99], [1.0, 1.0], [0.0], [], [np.nan], [0.8, 0.999]]
)
def test_an_accuracy_axis_contains_its_values_and_labels_its_ticks_exactly(accuracies: list[float]) -> None:
    def draw(ax: Axes) -> Axes:
        accuracy_axis(ax, accuracies)
        return ax

    ax = drawn(draw)
    low, high = ax.get_ylim()
    assert low < high
    assert all(value <= high for value in accuracies if np.isfinite(value))
    ticks = ax.get_yticks()
    assert len(ticks) >= 2
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert [float(label) / 100 for label in labels] == pytest.approx(list(ticks), abs=1e-9)


def test_ticks_prefer_round_accuracies() -> None:
    assert {0.9, 0.95, 0.99} <= set(accuracy_ticks(0.88, 0.993))


def test_best_so_far_is_drawn_over_numbers_and_over_time() -> None:
    trials = pd.DataFrame(
        {
            "number": [0, 1, 2],
            "state": "complete",
            "val_accuracy": [0.98, 0.97, 0.99],
            "clock": pd.to_timedelta([9, 3, 5], unit="s"),
        }
    )
    ax = drawn(partial(figures.best_so_far, best_so_far(trials)))
    assert lines(ax)[1] == ([0, 1, 2], [0.98, 0.98, 0.99])
    ax = drawn(partial(figures.best_so_far, best_so_far(trials, "clock"), over="clock"))
    assert lines(ax)[1] == ([3, 5, 9], [0.97, 0.99, 0.99])
    assert ax.get_xlabel() == "time of searching (s)"


def test_losses_are_drawn_of_one_trial_alone() -> None:
    table = epochs((0, "complete", 1, 0.9), (3, "complete", 1, 0.9), (3, "complete", 2, 0.95))
    ax = drawn(partial(figures.losses, table, number=3))
    assert lines(ax) == [([1, 2], [0.1, 0.2]), ([1, 2], [0.2, 0.4])]
    assert legend(ax) == ["training", "validation"]
    assert ax.get_ylabel() == "loss (nats per image)"


@pytest.mark.parametrize(
    ("distribution", "values", "places", "scale"),
    [
        (RATE, [0.1, 1.0, 10.0], [0.1, 1.0, 10.0], "log"),
        (IntDistribution(16, 64, step=16), [16, 32, 64], [16, 32, 64], "linear"),
        (CategoricalDistribution(["late", "early"]), ["early", "late", "early"], [1, 0, 1], "linear"),
        (CategoricalDistribution([7, 3]), [7, 3, 7], [1, 0, 1], "linear"),
    ],
)
def test_a_panel_has_the_scale_that_its_hyperparameter_was_searched_on(
    distribution: BaseDistribution, values: list[Any], places: list[float], scale: str
) -> None:
    trials = pd.DataFrame({"number": [0, 1, 2], "state": "complete", "a": values, "val_accuracy": [0.98, 0.985, 0.99]})
    found = marginal(trials, "a", distribution, ["a"])
    ax = drawn(partial(value_panel, trials, found, name="a", distribution=distribution))
    assert lines(ax)[0] == (places, [0.98, 0.985, 0.99])
    assert ax.get_xscale() == scale
    assert ax.get_xlabel() == "a"


def test_a_panel_marks_the_median_of_complete_trials_with_a_bar_and_names_the_choices() -> None:
    trials = pd.DataFrame({"number": range(3), "a": ["x", "x", "y"], "val_accuracy": [0.98, 0.99, 0.97]})
    trials["state"] = ["complete", "complete", "pruned"]
    choices = CategoricalDistribution(["x", "y"])
    found = marginal(trials, "a", choices, ["a"])
    ax = drawn(partial(value_panel, trials, found, name="a", distribution=choices))
    assert lines(ax)[-1] == ([0.0, 0.0], [pytest.approx(0.985)] * 2)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y"]
    hollow = next(line for line in ax.get_lines() if line.get_label() == "pruned")
    assert hollow.get_markerfacecolor() == "none"


def test_curves_by_value_draw_medians_with_a_band() -> None:
    curves = pd.DataFrame({"group": ["3", "3", "5"], "epoch": [1, 2, 1], "median": [0.9, 0.95, 0.8]})
    ax = drawn(partial(figures.curves_by_value, curves.assign(q25=0.79, q75=0.96), name="kernel_size"))
    assert lines(ax) == [([1, 2], [0.9, 0.95]), ([1], [0.8])]
    assert legend(ax) == ["3", "5"]
    assert len(ax.collections) == 2


def test_importance_bars_have_the_largest_on_top() -> None:
    ax = drawn(partial(figures.importance_bars, pd.Series({"a": 0.7, "b": 0.3}), text=""))
    assert [bar.get_width() for bar in ax.patches] == [0.3, 0.7]  # type: ignore[attr-defined]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]


def test_confirmation_shows_single_runs_and_means_with_their_interval() -> None:
    accuracies = {4: [0.98, 0.99], 7: [0.97]}
    records = [
        TrialRecord(0, "complete", accuracy, {}, [], {"candidate": candidate})
        for candidate, values in accuracies.items()
        for accuracy in values
    ]
    candidates = pd.array([4, 4, 7, None], dtype="Int64")  # the last run is the recipe's
    runs = pd.DataFrame({"candidate": candidates, "state": "complete", "val_accuracy": [0.98, 0.99, 0.97, 0.5]})
    recipe = Candidate(THE_RECIPE, (TrialRecord(0, "complete", 0.5, {}, [], {}),), 1)
    table = confirmation(candidates_of(records))
    ax = drawn(partial(figures.confirmation_dots, pd.concat([table, confirmation([recipe])]), runs))
    assert ([0.98, 0.99], [0, 0]) in lines(ax)
    assert ([0.97], [1]) in lines(ax)
    assert ([0.5], [2]) in lines(ax)
    (segment,) = ax.containers[0].lines[2][0].get_segments()
    assert segment[:, 0].tolist() == pytest.approx([table.low[0], table.high[0]])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["trial 4 (n = 2)", "trial 7 (n = 1)", "recipe (n = 1)"]


NOTHING = epochs()
NO_TRIALS = pd.DataFrame({"number": [], "state": [], "val_accuracy": [], "clock": [], "a": [], "candidate": []})


@pytest.mark.parametrize(
    "draw",
    [
        partial(figures.accuracy_curves, NOTHING),
        partial(figures.curves_by_value, pd.DataFrame({"group": [], "epoch": []}), name="a"),
        partial(figures.losses, NOTHING, number=None),
        partial(figures.best_so_far, best_so_far(NO_TRIALS)),
        partial(value_panel, NO_TRIALS, pd.DataFrame(), name="a", distribution=RATE),
        partial(figures.importance_bars, None, text="too few"),
        partial(figures.confirmation_dots, confirmation([]), NO_TRIALS),
    ],
)
def test_too_little_data_draws_a_sentence(draw: Draw) -> None:
    ax = drawn(draw)
    assert not ax.axison
    assert len(ax.texts) == 1
    assert ax.texts[0].get_text()


@pytest.mark.parametrize(("largest", "scale"), [(2_000, "linear"), (400_000, "log")])
def test_the_front_is_drawn_as_steps_to_the_costliest_trial_with_the_winner_on_it(largest: int, scale: str) -> None:
    trials = pd.DataFrame({"number": [0, 1, 2, 3], "val_accuracy": [0.98, 0.99, 0.97, 0.5], "state": "complete"})
    trials["num_parameters"] = pd.Series([1_000, 1_500, largest, largest], dtype="Int64")
    best = front(trials, "num_parameters")
    ax = drawn(partial(figures.pareto_front, trials, best, cost="num_parameters", winner=1))
    dots, steps, star, below = lines(ax)
    assert dots == ([1_000, 1_500, largest, largest], [0.98, 0.99, 0.97, 0.5])
    assert steps == ([1_000, 1_500, largest], [0.98, 0.99, 0.99])
    assert ax.get_lines()[1].get_drawstyle() == "steps-post"
    assert list(ax.get_lines()[1].get_markevery()) == [0, 1]  # no trial where the line only ends
    assert star == ([1_500], [0.99])
    assert below == ([largest], [ax.get_ylim()[0]])
    assert ax.get_xscale() == scale
    low, high = ax.get_xlim()
    assert any(low <= tick <= high for tick in ax.get_xticks())
    assert (ax.get_xlabel(), legend(ax)) == ("parameters", ["complete trial", "Pareto front", "winner"])
