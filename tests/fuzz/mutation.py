"""Strategies for damage: to bytes as disks and attackers do it, to tables as people do it."""

import copy
import os
import random
from datetime import date
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000"))  # for each family of inputs; 25000 in the long form
# The same inputs in every run; a failing one is made as small as possible before it is shown, but not explained:
# the tracing that this needs is so slow that other inputs would break the limit of time.
every_input = settings(
    max_examples=INPUTS,
    phases=(Phase.generate, Phase.shrink),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
EXTREMES = [
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ("little", "big")
]
VALUES: list[Any] = [
    0, 1, -1, 3, 10**6, 2**31, 2**63, 10**400, 0.0, -0.0, 0.1, 0.5, 1.5, 1e-320, 1e308, float("inf"), float("nan"),
    True, False, "", "0", "auto", "early", "a\nb\0\x1b[2J", "é" * 3000, date(1979, 5, 27),
    [], [1], [3, 3], [[]], {}, {"low": 0.0, "high": 1.0, "log": True}, {"low": 9, "high": 1}, {"a\nb": {"": [{}]}},
]  # fmt: skip
KNOWN_KEYS = [
    "data", "search", "hyperparameters", "points", "confirm", "export", "resources", "automatic", "dataset",
    "validation_images", "trials", "sampler", "pruner", "storage", "epochs", "kernel_size", "momentum", "gamma",
    "learning_rate", "dropout1", "low", "high", "log", "step", "top", "trials_per_gpu", "mean", "classes",
    "most_seeds", "recipe",
]  # fmt: skip

COUNTS = st.sampled_from((1, 1, 1, 2, 4))
BYTE_COUNTS = st.sampled_from((1, 1, 1, 2, 4, 12))
# Each kind of damage to bytes, every other time near the beginning, where formats keep their sizes.
BYTE_KINDS = st.sampled_from(
    [
        (kind, within)
        for kind in ("flip", "flip", "extreme", "extreme", "cut", "drop", "repeat", "move", "insert", "noise")
        for within in (32, 200, 2**40, 2**40)
    ]
)
TABLE_KINDS = st.sampled_from(
    ("value", "value", "nudge", "nudge", "nudge", "copy", "drop", "rename", "wrap", "any", "add")
)
BITS = st.integers(0, 7)
PLACES = st.integers(0, 2**20)  # how far into a sequence, in parts of 2**20
SIZES = st.sampled_from((1, 2, 4, 8, 50, 1000))
SEEDS = st.integers(0, 2**64 - 1)
KEYS = st.sampled_from(KNOWN_KEYS) | st.text(max_size=8)
SCALARS = st.sampled_from(VALUES) | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def mutated_bytes(draw: DrawFn, content: bytes) -> bytes:
    """Draw `content` with one damage or a few."""
    data = bytearray(content)
    for _ in range(draw(BYTE_COUNTS)):
        kind, within = draw(BYTE_KINDS)
        start = draw(PLACES) * min(len(data), within) >> 20
        if kind == "flip":
            data[start : start + 1] = bytes(byte ^ 1 << draw(BITS) for byte in data[start : start + 1])
        elif kind == "extreme":
            extreme = draw(st.sampled_from(EXTREMES))
            data[start : start + len(extreme)] = extreme
        elif kind == "cut":
            del data[start:]
        else:
            _displace(draw, data, kind, start)
    return bytes(data)


def _displace(draw: DrawFn, data: bytearray, kind: str, start: int) -> None:
    """Drop, repeat, move, insert or overwrite a run of bytes that begins at `start`."""
    size = draw(SIZES)
    end = start + size
    if kind == "drop":
        del data[start:end]
    elif kind in ("repeat", "move"):
        other = draw(PLACES) * len(data) >> 20
        data[start : start if kind == "repeat" else end] = data[other : other + size]
    else:
        generator = random.Random(draw(SEEDS))
        noise = generator.choice((generator.randbytes(size), bytes(generator.choices(data or b"0", k=size))))
        data[start : start if kind == "insert" else end] = noise


def altered_table(draw: DrawFn, table: dict[str, Any]) -> dict[str, Any]:
    """Draw a parsed TOML or JSON table with one slip or a few: other values, other keys, values in wrong places."""
    table = copy.deepcopy(table)
    for _ in range(draw(COUNTS)):
        if places := _places(table):
            _slip(draw, *_one_of(draw, places), places)
    return table


def _slip(draw: DrawFn, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    """Make one slip at the place `holder[key]`."""
    value = holder[key]
    match draw(TABLE_KINDS):
        case "value":
            holder[key] = copy.deepcopy(_one_of(draw, VALUES))
        case "any":
            holder[key] = draw(ANYTHING)
        case "add" if isinstance(holder, dict):
            holder[draw(KEYS)] = draw(ANYTHING)
        case "copy":
            other_holder, other_key = _one_of(draw, places)
            holder[key] = copy.deepcopy(other_holder[other_key])
        case "drop":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            letter = draw(PLACES) * len(key) >> 20
            holder[key[:letter] + _one_of(draw, "aeg_\n") + key[letter + draw(BITS) % 2 :]] = value
        case "wrap":
            holder[key] = _one_of(draw, ([value], {"low": value, "high": 5}, str(value)))
        case "nudge" if isinstance(value, int | float):
            holder[key] = _one_of(draw, (value + 1, -value, value * 10, value // 3))


def _one_of(draw: DrawFn, options: Any) -> Any:
    """Draw one of `options`, which need not be hashable."""
    return options[min(draw(PLACES) * len(options) >> 20, len(options) - 1)]


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a tree."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    within = [place for key in keys for place in _places(node[key])]
    return [(node, key) for key in keys] + within
