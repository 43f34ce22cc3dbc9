"""Values lie on their axes where the scale of their search puts them."""

from functools import partial

import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from analysis import figures
from analysis.figures import sheet
from analysis.numbers.parallel import joined, on_axes, ticks


def test_values_lie_on_the_scale_of_their_search() -> None:
    searched = {
        "learning_rate": FloatDistribution(0.1, 10.0, log=True),
        "width": IntDistribution(16, 48, step=16),
        "pool": CategoricalDistribution(["late", "early"]),
        "norm": CategoricalDistribution([True, False]),
    }
    trials = pd.DataFrame(
        {"learning_rate": [0.1, 1.0], "width": [16, 40], "pool": ["late", None], "norm": pd.array([True, False])}
    )
    found = on_axes(trials, searched)
    assert found.learning_rate.tolist() == pytest.approx([0.0, 0.5])
    assert found.width.tolist() == pytest.approx([0.0, 0.75])
    assert found.pool.iloc[0] == 0.25
    assert pd.isna(found.pool.iloc[1])
    assert found.norm.tolist() == [0.75, 0.25]


def test_ticks_are_the_choices_the_steps_or_values_from_end_to_end() -> None:
    assert ticks(CategoricalDistribution([5, 3])) == [(0.25, "3"), (0.75, "5")]
    assert ticks(IntDistribution(16, 48, step=16)) == [(0.0, "16"), (0.5, "32"), (1.0, "48")]
    found = ticks(FloatDistribution(0.01, 1.0, log=True), most=3)
    assert [label for _, label in found] == ["0.01", "0.1", "1"]
    assert [place for place, _ in found] == pytest.approx([0.0, 0.5, 1.0])


def test_the_figure_has_a_line_per_trial_the_best_in_front() -> None:
    searched = {"learning_rate": FloatDistribution(0.1, 10.0, log=True)}
    trials = pd.DataFrame({"learning_rate": [0.1, 1.0, 10.0], "val_accuracy": [0.98, 0.99, 0.9], "state": "complete"})
    ax = sheet([partial(figures.parallel_coordinates, trials, searched=searched)]).axes[0]
    [lines] = ax.collections
    starts = [path.vertices[0, 1] for path in lines.get_paths()]
    assert starts == pytest.approx([1.0, 0.0, 0.5])  # from the least accurate on
    assert lines.get_paths()[-1].vertices[-1].tolist() == [1.0, 1.0]
    ax = sheet([partial(figures.parallel_coordinates, trials.head(1), searched=searched)]).axes[0]
    assert "no lines to compare" in ax.texts[0].get_text()


def test_the_axis_of_several_runs_holds_the_values_of_all() -> None:
    first, wider = FloatDistribution(0.1, 1.0, log=True), FloatDistribution(0.05, 3.0, log=True)
    axis = joined([first, wider], pd.Series([0.0, 0.2, 5.0]))
    assert axis == FloatDistribution(0.05, 5.0, log=True)
    assert on_axes(pd.DataFrame({"rate": [0.0, 5.0]}), {"rate": axis}).rate.tolist() == [0.0, 1.0]
    choices = joined([CategoricalDistribution([3, 5]), CategoricalDistribution([5, 7])], pd.Series([3, 7]))
    assert choices == CategoricalDistribution([3, 5, 7])
    assert joined([first, CategoricalDistribution([1.0])], pd.Series([1.0])) is None
