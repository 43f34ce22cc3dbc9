"""What failed in a run: how many trials of how many in each stage, and the cause of most of them."""

import re
from collections import Counter
from dataclasses import dataclass

from search.store.records import TrialRecord
from search.store.study import CONFIRM, PICKED, REFIT, SEARCH

OVERTAKEN = "another trial won meanwhile"
OUTDATED = "it began on all images, before some were held back"
GIVEN_UP = (OVERTAKEN, OUTDATED)  # errors of refits that nobody needs any more, which are no failures
OVER = ("complete", "pruned", "failed")
NOUNS = {
    SEARCH: ("trial", "trials"),
    CONFIRM: ("confirmation run", "confirmation runs"),
    REFIT: ("refit", "refits"),
    PICKED: ("run of picked trials", "runs of picked trials"),
}
RETRIED = "--retry-failed tries them again"
UNKNOWN = "no reason was recorded"
NUMBER = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class StageFailures:
    """The number of failed trials in a stage, and of those that have ended."""

    name: str
    failed: int
    ended: int


@dataclass(frozen=True)
class Failures:
    """The failed trials of the stages in which any failed; `largest` of them failed of one cause, such as `cause`."""

    stages: tuple[StageFailures, ...]
    cause: str
    largest: int

    @property
    def failed(self) -> int:
        """Return the number of failed trials in all stages."""
        return sum(stage.failed for stage in self.stages)

    @property
    def of_search(self) -> bool:
        """Return whether trials of the search are among them."""
        return any(stage.name == SEARCH for stage in self.stages)

    @property
    def words(self) -> str:
        """Return how many failed of how many, and the largest cause, as in "2 of 9 trials: CUDA out of memory"."""
        counts = " and ".join(
            f"{stage.failed} of {stage.ended} {NOUNS[stage.name][stage.ended != 1]}" for stage in self.stages
        )
        share = "" if self.largest == self.failed else f", {self.largest} of them with the same cause"
        return f"{counts}{share}: {self.cause}"


def failures_of(stages: dict[str, list[TrialRecord]]) -> Failures | None:
    """Return what failed in the stages of a run, given the trials of each by its name; None where nothing did."""
    found, reasons = [], []
    for name, trials in stages.items():
        ended = [trial for trial in trials if trial.state in OVER and trial.attributes.get("error") not in GIVEN_UP]
        failed = [trial for trial in ended if trial.state == "failed"]
        if failed:
            found.append(StageFailures(name, len(failed), len(ended)))
            reasons += [first_line(trial.attributes.get("error")) for trial in failed]
    if not found:
        return None
    [(cause, largest)] = Counter(map(cause_of, reasons)).most_common(1)  # of equally frequent ones the first
    example = next(reason for reason in reasons if cause_of(reason) == cause)
    return Failures(tuple(found), example, largest)


def first_line(error: str | None) -> str:
    """Return the first line of an error, without the full stop at its end."""
    return (error or UNKNOWN).strip().split("\n")[0].rstrip(".")


def cause_of(error: str) -> str:
    """Return what the errors of one cause have in common: the first line apart from numbers."""
    return NUMBER.sub("#", first_line(error))
