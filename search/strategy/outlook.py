"""The value that each trial would have at its end, so that a sampler learns from those that were stopped early too."""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable
from functools import cache
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.strategy.constraint import BROKEN, valid
from search.strategy.pace import Pace, PaceOf, same_pace

BEGUN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)


def learned(study: optuna.Study, searched: dict[str, BaseDistribution], pace: PaceOf = same_pace) -> list[FrozenTrial]:
    """Return what a sampler may learn from: each begun trial as a complete one, whose value is its outlook.

    The trials have the distributions `searched`: those that they were drawn from may have been narrower.
    A running trial without a value stays a running one. One that failed or exceeds a limit is still marked as such, for
    `valid` of strategy/constraint.py. Samplers of Optuna's that know early stopping at all rank trials by how far they
    came, so that the first one at each step, which nothing was compared with, ranks high for good; others see complete
    trials alone, of which a search that stops most trials early has few.
    """
    begun = study.get_trials(deepcopy=False, states=BEGUN)
    found = outlook(begun, study.direction, pace)
    trials, counting = [], {trial.number for trial in valid(begun)}
    for trial in begun:
        value = found.get(trial.number)
        if value is not None or trial.state == TrialState.RUNNING:
            state = TrialState.RUNNING if value is None else TrialState.COMPLETE
            params = {name: chosen for name, chosen in trial.params.items() if name in searched}
            distributions = {name: searched[name] for name in params}
            attributes = {} if trial.number in counting else {BROKEN: trial.state.name}
            trials.append(_as_if_ended(trial, state, value, params, distributions, attributes))
    return trials


def outlook(trials: list[FrozenTrial], direction: StudyDirection, pace: PaceOf = same_pace) -> dict[int, float]:
    """Return the value to expect of each trial at its end, by its number; trials without any value are left out.

    A complete trial has its value. Any other has its last value and the mean gain, from that step to its end, of the
    complete trials of its group that are as long or longer (strategy/pace.py). Where none is complete yet, those of
    any group and length must do; where no trial is complete at all, every trial has its first value, since all have one
    there. None is expected to end better than the best complete trial: those that gain most begin low, and what begins
    high can't gain as much. A failed trial counts as the worst of all, and so does one that exceeds a limit: a sampler
    is to keep away from where they are.
    """
    counting = valid(trials)
    complete = [trial for trial in counting if trial.state == TrialState.COMPLETE]
    sign = 1.0 if direction == StudyDirection.MAXIMIZE else -1.0
    best = max((sign * float(trial.value or 0.0) for trial in complete), default=-math.inf)
    gain = _mean_gain(complete, pace)
    choose = max if any(trial.intermediate_values for trial in complete) else min
    found = {}
    for trial in counting:
        values = {step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)}
        if trial.state == TrialState.COMPLETE:
            found[trial.number] = float(trial.value or 0.0)
        elif values:
            step = choose(values)
            expected = sign * (values[step] + gain(pace(trial.params), step))
            found[trial.number] = sign * min(expected, max(best, sign * values[step]))
    if found:
        worst = sign * min(sign * value for value in found.values())
        counted = {trial.number for trial in counting}
        found |= {trial.number: worst for trial in trials if trial.number not in counted}
    return found


def _as_if_ended(
    trial: FrozenTrial,
    state: TrialState,
    value: float | None,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    attributes: dict[str, Any],
) -> FrozenTrial:
    """Return `trial` with another state, value and user attributes.

    `create_trial` would check each parameter again, which takes ten times as long.
    """
    began, ended = trial.datetime_start, trial.datetime_complete
    return FrozenTrial(trial.number, state, value, began, ended, params, distributions, attributes, {}, {}, trial_id=-1)


def _mean_gain(complete: list[FrozenTrial], pace: PaceOf) -> Callable[[Pace, int], float]:
    """Return the mean gain of complete trials as a function of a pace and of the step from which it counts."""
    groups: dict[Hashable, list[tuple[FrozenTrial, int | None]]] = defaultdict(list)
    for trial in complete:
        group, length = pace(trial.params)
        groups[group].append((trial, length))

    @cache
    def mean_gain(wanted: Pace, step: int) -> float:
        gains = []
        for trial, length in groups[wanted.group]:
            values = trial.intermediate_values
            if step in values and length == wanted.length:
                gains.append(float(trial.value or 0.0) - values[step])
            elif step in values and wanted.length in values:
                gains.append(values[wanted.length] - values[step])
        if not gains:
            reached = [trial for trial in complete if step in trial.intermediate_values]
            gains = [float(trial.value or 0.0) - trial.intermediate_values[step] for trial in reached]
        return fmean(gains) if gains else 0.0

    return mean_gain
