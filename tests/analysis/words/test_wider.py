"""A wider range is one that the configuration takes: within the limits, in whole steps, wider indeed."""

import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from analysis.numbers.summary import Edge
from analysis.words.wider import wider
from search.space.parsing import parse_space

WIDTHS = IntDistribution(16, 48, step=16)


@pytest.mark.parametrize(
    ("name", "side", "distribution", "line"),
    [
        ("learning_rate", "high", FloatDistribution(0.1, 1.0, log=True), "{ low = 0.1, high = 3.16, log = true }"),
        ("learning_rate", "low", FloatDistribution(0.01, 1.0), "{ low = 0.005, high = 1.0 }"),  # not 0 and below
        ("conv1_width", "high", WIDTHS, "{ low = 16, high = 64, step = 16 }"),
        ("conv1_width", "low", WIDTHS, None),  # -0 channels: nothing beyond is allowed in whole steps
        ("dropout2", "high", FloatDistribution(0.0, 0.7), "{ low = 0.0, high = 0.85 }"),  # 1 must not be reached
        ("ema_decay", "low", FloatDistribution(0.99, 0.999), "{ low = 0.9855, high = 0.999 }"),
        ("rotation", "high", FloatDistribution(0.0, 15.0, step=2.5), "{ low = 0.0, high = 22.5, step = 2.5 }"),
        ("scale", "high", FloatDistribution(0.0, 0.45, step=0.15), None),  # 0.5 is the limit
    ],
)
def test_a_range_is_wider_by_half_as_far_as_it_may_be(
    name: str, side: str, distribution: BaseDistribution, line: str | None
) -> None:
    found = wider(Edge(name, side, 4, 5, distribution), None)  # type: ignore[arg-type]
    assert found == (None if line is None else f"{name} = {line}")
    if line:
        import tomllib

        parse_space(tomllib.loads(str(found)))  # which would refuse it


def test_the_prior_stays() -> None:
    edge = Edge("learning_rate", "high", 4, 5, FloatDistribution(0.1, 1.0, log=True))
    assert wider(edge, 0.2) == "learning_rate = { low = 0.1, high = 3.16, log = true, prior = 0.2 }"
