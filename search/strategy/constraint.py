"""The limit that is known only once a trial runs: one that exceeds it ends, and decisions on others leave it out."""

from typing import Any, Final

from optuna.trial import FrozenTrial, TrialState

LATENCY: Final = "milliseconds_per_image"  # user attribute of a trial, measured after its first epoch
BROKEN: Final = "broken_constraint"  # user attribute of a trial: what it exceeded, and by how much, in words


def broken_by(milliseconds: float | None, limit: float | None) -> str | None:
    """Return what a trial that takes so many milliseconds per image exceeds; None where it keeps to the limit."""
    if milliseconds is None or limit is None or milliseconds <= limit:
        return None
    return f"{milliseconds:.3g} ms per image, constraints.max_milliseconds_per_image is {limit:g}"


def is_broken(attributes: dict[str, Any]) -> bool:
    """Return whether a trial with these user attributes exceeds a limit."""
    return attributes.get(BROKEN) is not None


def valid(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return those of `trials` whose values count: they did not fail and exceed no limit."""
    return [trial for trial in trials if trial.state != TrialState.FAIL and not is_broken(trial.user_attrs)]
