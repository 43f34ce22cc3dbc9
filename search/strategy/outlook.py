"""The value that each trial would have at its end, so that a sampler learns from those that were stopped early too."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.strategy.constraint import is_broken

Pace = tuple[object, ...]  # what trials must have in common for their gains to be alike
BEGUN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL)


def learned(study: optuna.Study, searched: dict[str, BaseDistribution], pace: Sequence[str] = ()) -> list[FrozenTrial]:
    """Return what a sampler may learn from: each begun trial as a complete one, whose value is its outlook.

    The trials have the distributions `searched`: those that they were drawn from may have been narrower.
    A running trial without a value stays a running one. Samplers of Optuna's that know early stopping at all rank
    trials by how far they came, so that the first one at each step, which nothing was compared with, ranks high for
    good; others see complete trials alone, of which a search that stops most trials early has few.
    """
    begun = study.get_trials(deepcopy=False, states=BEGUN)
    found = outlook(begun, study.direction, pace)
    trials = []
    for trial in begun:
        value = found.get(trial.number)
        if value is not None or trial.state == TrialState.RUNNING:
            state = TrialState.RUNNING if value is None else TrialState.COMPLETE
            params = {name: chosen for name, chosen in trial.params.items() if name in searched}
            distributions = {name: searched[name] for name in params}
            trials.append(_as_if_ended(trial, state, value, params, distributions))
    return trials


def outlook(trials: list[FrozenTrial], direction: StudyDirection, pace: Sequence[str] = ()) -> dict[int, float]:
    """Return the value to expect of each trial at its end, by its number; trials without any value are left out.

    A complete trial has its value. Any other has its last value and the mean gain, from that step to the end, of the
    complete trials of its pace: of equal parameters in `pace`. Where none is complete yet, those of another pace must
    do; where no trial is complete at all, every trial has its first value, since all have one there. None is expected
    to end better than the best complete trial: those that gain most begin low, and what begins high can't gain as much.
    A failed trial counts as the worst of all, and so does one that exceeds a limit: a sampler is to keep away from
    where they are.
    """
    gains = _gains(trials, pace)
    sign = 1.0 if direction == StudyDirection.MAXIMIZE else -1.0
    complete = (sign * float(trial.value or 0.0) for trial in trials if trial.state == TrialState.COMPLETE)
    best = max(complete, default=-math.inf)
    found, bad = {}, []
    for trial in trials:
        if trial.state == TrialState.FAIL or is_broken(trial.user_attrs):
            bad.append(trial.number)
            continue
        values = {step: value for step, value in trial.intermediate_values.items() if math.isfinite(value)}
        if trial.state == TrialState.COMPLETE:
            found[trial.number] = float(trial.value or 0.0)
        elif values:
            step = max(values) if gains else min(values)
            of_pace = gains.get((_pace(trial, pace), step)) or gains.get((None, step)) or [0.0]
            expected = sign * (values[step] + fmean(of_pace))
            found[trial.number] = sign * min(expected, max(best, sign * values[step]))
    if found:
        worst = sign * min(sign * value for value in found.values())
        found |= dict.fromkeys(bad, worst)
    return found


def _as_if_ended(
    trial: FrozenTrial,
    state: TrialState,
    value: float | None,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
) -> FrozenTrial:
    """Return `trial` with another state and value. `create_trial` checks each parameter again, ten times as slowly."""
    began, ended = trial.datetime_start, trial.datetime_complete
    return FrozenTrial(trial.number, state, value, began, ended, params, distributions, {}, {}, {}, trial_id=-1)


def _gains(trials: list[FrozenTrial], pace: Sequence[str]) -> dict[tuple[Pace | None, int], list[float]]:
    """Return what complete trials gained from each step to their end, by pace and step; None is any pace."""
    gains = defaultdict(list)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            for step, value in trial.intermediate_values.items():
                for key in (_pace(trial, pace), None):
                    gains[key, step].append(float(trial.value or 0.0) - value)
    return gains


def _pace(trial: FrozenTrial, pace: Sequence[str]) -> Pace:
    return tuple(trial.params.get(name) for name in pace)
