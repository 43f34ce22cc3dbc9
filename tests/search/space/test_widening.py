"""When a range holds another, and what is tried at the new ends of a range that was made wider."""

import pytest

from search.space import new_ends, parse_space, widened


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ({"low": 0.1, "high": 0.3}, {"low": 0.0, "high": 0.3}, True),
        ({"low": 0.1, "high": 0.3}, {"low": 0.2, "high": 0.5}, False),  # 0.1 would be gone
        ({"low": 0.1, "high": 0.3}, {"low": 0.1, "high": 0.3, "log": True}, False),
        ({"low": 0.2, "high": 0.4, "step": 0.1}, {"low": 0.0, "high": 0.4, "step": 0.1}, True),
        ({"low": 0.2, "high": 0.4, "step": 0.1}, {"low": 0.05, "high": 0.45, "step": 0.1}, False),  # 0.2 is no step
        ({"low": 0.1, "high": 0.3}, {"low": 0.1, "high": 0.3}, False),
        ({"low": 0.1, "high": 0.3}, [0.1, 0.2, 0.3], False),
        ({"low": 0.1, "high": 0.3, "prior": 0.2}, {"low": 0.0, "high": 0.3, "prior": 0.2}, True),
        ({"low": 0.1, "high": 0.3, "prior": 0.2}, {"low": 0.0, "high": 0.3, "prior": 0.25}, False),
        ([0.1, 0.2], [0.1, 0.2, 0.3], False),
    ],
)
def test_a_range_that_holds_the_old_one_is_wider(old: object, new: object, wider: bool) -> None:
    before, after = (parse_space({"dropout1": value}) for value in (old, new))
    assert widened(before, after) == ["dropout1"] * wider


def test_the_new_ends_of_ranges() -> None:
    old = parse_space({"dropout1": {"low": 0.1, "high": 0.3}, "conv1_width": {"low": 8, "high": 16, "step": 8}})
    new = parse_space({"dropout1": {"low": 0.0, "high": 0.5}, "conv1_width": {"low": 8, "high": 32, "step": 8}})
    assert new_ends(old.searched, new) == [("dropout1", 0.0), ("dropout1", 0.5), ("conv1_width", 32)]
    assert new_ends(old.searched, old) == []
