"""How several runs compare, in sentences: how far their winners lie apart, and whether their images are the same."""

import statistics

from scipy import stats

from analysis.numbers.wording import points
from analysis.tables.run import Run, repeats_of


def differences(runs: list[Run]) -> list[str]:
    """Return how far each further run's winner lies from the first run's, in words with an interval."""
    first, *others = [(run.name, _scores(run)) for run in runs]
    return [_apart(*first, *other) for other in others]


def _scores(run: Run) -> list[float]:
    repeated = repeats_of(run, run.winner)
    return list(repeated.scores.values()) if repeated else []


def _apart(name: str, ours: list[float], other: str, theirs: list[float]) -> str:
    """Return the difference of two means over seeds; those of different runs make no pairs (Welch 1947)."""
    if min(len(ours), len(theirs)) < 2:
        return f"{other} and {name}: one of them has fewer than two runs of its winner, so their difference is unknown."
    found = stats.ttest_ind(theirs, ours, equal_var=False)
    low, high = found.confidence_interval(0.95)
    gained = statistics.fmean(theirs) - statistics.fmean(ours)
    words = f"{other} is {points(gained)} points from {name} (95 % interval, Welch: {points(low)} to {points(high)})"
    return f"{words}." if low > 0 or high < 0 else f"{words}: these seeds do not tell the two apart."


def differing_data(runs: list[Run]) -> str | None:
    """Return a warning if the runs have different validation images, so that their accuracies hardly compare."""
    used = [
        f"{run.dataset}, {run.experiment.images:,} validation images, seed {run.experiment.search.seed}" for run in runs
    ]
    if len(set(used)) < 2:
        return None
    each = "; ".join(f"{run.name}: {images}" for run, images in zip(runs, used, strict=True))
    return f"The runs did not use the same validation images ({each}): compare their accuracies with care."
