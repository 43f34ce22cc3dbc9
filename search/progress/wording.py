"""The words for a trial in a line: its name and its parameters."""

from typing import Any

from optuna.trial import FrozenTrial

from search.store.study import OF_RECIPE


def name_of(trial: FrozenTrial) -> str:
    """Return a trial's name in a line; one of the confirmation or the refit is named after the trial it repeats."""
    attributes = trial.user_attrs
    if OF_RECIPE in attributes:
        return f"recipe    again, run {attributes['run']}"
    if "candidate" not in attributes:
        return f"trial {trial.number:3d}"
    what = "refit" if "refit" in attributes else f"again, run {attributes['run']}"
    return f"trial {attributes['candidate']:3d} {what}"


def describe(params: dict[str, Any]) -> str:
    """Return parameters as `name=value` words, floats with three significant digits."""
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())
