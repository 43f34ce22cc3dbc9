"""Failed trials of all stages are counted, and grouped by their errors apart from numbers."""

from search.store.failures import OVERTAKEN, StageFailures, failures_of
from search.store.records import TrialRecord
from search.store.study import CONFIRM, REFIT, SEARCH


def record(state: str, error: str | None = None) -> TrialRecord:
    return TrialRecord(0, state, None, {}, [], {} if error is None else {"error": error})


def test_the_largest_cause_is_counted_over_all_stages() -> None:
    searched = [record("complete"), record("pruned"), record("failed", "boom"), record("running"), record("paused")]
    searched += [record("failed", f"{missing} MiB were missing at 0x{missing}a.\nTraceback") for missing in (7, 12)]
    confirmed = [record("complete"), record("failed", "3e2 MiB were missing at 0xff"), record("failed")]
    found = failures_of({SEARCH: searched, CONFIRM: confirmed})
    assert found is not None
    assert found.stages == (StageFailures(SEARCH, 3, 5), StageFailures(CONFIRM, 2, 3))
    assert (found.failed, found.largest, found.of_search) == (5, 3, True)
    assert found.words == (
        "3 of 5 trials and 2 of 3 confirmation runs, 3 of them with the same cause: 7 MiB were missing at 0x7a"
    )


def test_refits_that_nobody_needs_are_no_failures() -> None:
    assert failures_of({SEARCH: [record("complete")], REFIT: [record("failed", OVERTAKEN)]}) is None


def test_one_cause_of_all_is_named_alone() -> None:
    found = failures_of({REFIT: [record("failed", "its loss is nan")]})
    assert found is not None
    assert (found.words, found.of_search) == ("1 of 1 refit: its loss is nan", False)
