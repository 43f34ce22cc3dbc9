"""More trials look worthwhile only where the last ones gained more than noise."""

from analysis.numbers.outlook import is_worthwhile


def test_equal_trials_promise_nothing() -> None:
    """The best of 24 equal trials lies about a third of a standard deviation above the best of 12."""
    assert not is_worthwhile(risen=0.0003, noise=0.001)
    assert is_worthwhile(risen=0.0011, noise=0.001)
