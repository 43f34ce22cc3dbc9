"""The one interactive figure, in which each trial is a line through its hyperparameters and dragging filters them."""

from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution

from analysis.axes import accuracy_ticks, to_scale
from analysis.run import Run
from analysis.summary import FEW_VALUES
from analysis.wording import format_value

AXIS_WIDTH = 120  # pixels
MOST = 1_000  # trials; a browser takes many seconds to draw ten times as many lines


def parallel_coordinates(runs: list[Run]) -> str | None:
    """Return the figure as HTML that contains plotly.js; None for fewer than two trials or nothing searched."""
    import plotly.graph_objects as go

    trials = pd.concat([run.trials.assign(run_name=run.name) for run in runs], ignore_index=True)
    searched = {name: distribution for run in runs for name, distribution in run.experiment.space.searched.items()}
    trials = trials[np.isfinite(trials.val_accuracy) & (trials.state != "failed")].dropna(subset=list(searched))
    if len(trials) < 2 or not searched:
        return None
    trials = trials.nlargest(MOST, "val_accuracy").sort_index()
    axes = _axes(trials, searched, [run.name for run in runs])
    line = {"color": axes[-1]["values"], "colorscale": "Viridis", "showscale": False}
    lines = go.Parcoords(dimensions=axes, line=line, unselected={"line": {"opacity": 0.06}}, labelangle=-20)
    figure = go.Figure(lines)
    figure.update_layout(
        width=max(700, AXIS_WIDTH * len(axes)),
        height=460,
        margin={"l": 60, "r": 60, "t": 90, "b": 30},
        paper_bgcolor="rgba(0,0,0,0)",
        font={"color": "#7a7a7a", "size": 12},
    )
    page = {"full_html": False, "include_plotlyjs": True, "div_id": "parallel-coordinates"}
    html: str = figure.to_html(**page, config={"displayModeBar": False})
    return html


def _axes(trials: pd.DataFrame, searched: dict[str, BaseDistribution], names: list[str]) -> list[dict[str, Any]]:
    """Return the axes from left to right: the trial, its run and state where these differ, and last its accuracy."""
    axes = [{"label": "trial", "values": trials.number.tolist()}]
    if len(names) > 1:
        axes.append(_choices("run", trials.run_name, names))
    axes += [_axis(name, trials[name], distribution) for name, distribution in searched.items()]
    if trials.state.nunique() > 1:
        axes.append(_choices("state", trials.state, sorted(set(trials.state))))
    return [*axes, _accuracy_axis(trials.val_accuracy)]


def _axis(name: str, values: pd.Series, distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return _choices(name, values, list(distribution.choices))
    if distribution.log:  # type: ignore[attr-defined]
        places = np.log10(values.astype(float))
        ticks = np.linspace(places.min(), places.max(), 5).tolist()
        return {
            "label": name,
            "values": places.tolist(),
            "tickvals": ticks,
            "ticktext": [f"{10**t:.2g}" for t in ticks],
        }
    known = sorted(set(values.astype(float)))
    ticks = {"tickvals": known, "ticktext": [f"{value:g}" for value in known]} if len(known) <= FEW_VALUES else {}
    return {"label": name, "values": values.astype(float).tolist(), **ticks}


def _choices(name: str, values: pd.Series, choices: list[Any]) -> dict[str, Any]:
    present = set(values)
    # Another run may have values that are not among these choices.
    known = [value for value in dict.fromkeys([*choices, *values]) if value in present]
    texts = [format_value(choice) for choice in known]
    places = [known.index(value) for value in values]
    return {"label": name, "values": places, "tickvals": list(range(len(known))), "ticktext": texts}


def _accuracy_axis(accuracy: pd.Series) -> dict[str, Any]:
    """Return the axis of the accuracy, on the scale of its error so that the best trials are not squeezed together."""
    places = to_scale(accuracy.to_numpy())
    low, high = float(accuracy.min()), float(accuracy.max())
    near = 0.05 * (places.max() - places.min())
    # plotly draws the axis from the first tick to the last, so the extremes are ticks too.
    ticks = [low, high]
    for tick in accuracy_ticks(low, high):
        place = to_scale(np.array(tick))
        if places.min() + near < place < places.max() - near:
            ticks.append(tick)
    ticks = sorted(set(ticks))
    return {
        "label": "val_accuracy (%)",
        "values": places.tolist(),
        "tickvals": to_scale(np.array(ticks)).tolist(),
        "ticktext": [f"{100 * tick:.4g}" for tick in ticks],
    }
