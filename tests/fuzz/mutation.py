"""Damage, repeatable by its seed: to bytes as disks and attackers do it, to tables as people do it."""

import copy
import os
import random
from datetime import date
from typing import Any

INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000"))  # for each family of inputs; 25000 in the long form
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


def mutated(content: bytes, generator: random.Random) -> bytes:
    """`content` with one damage or a few, every other one near its beginning, where formats keep their sizes."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 1, 2, 4, 12))):
        near = generator.choice((32, 200, len(data), len(data)))
        start = generator.randrange(min(len(data), near) + 1)
        other = generator.randrange(len(data) + 1)
        size = generator.choice((1, 2, 4, 8, 50, 1000))
        noise = generator.choice((generator.randbytes(size), bytes(generator.choices(content or b"0", k=size))))
        match generator.choice(
            ("flip", "flip", "extreme", "extreme", "cut", "drop", "repeat", "move", "insert", "noise")
        ):
            case "flip":
                data[start : start + 1] = bytes(byte ^ 1 << generator.randrange(8) for byte in data[start : start + 1])
            case "extreme":
                extreme = generator.choice(EXTREMES)
                data[start : start + len(extreme)] = extreme
            case "cut":
                del data[max(start, other) :]
            case "drop":
                del data[start : start + size]
            case "repeat":
                data[start:start] = data[other : other + size]
            case "move":
                data[start : start + size] = data[other : other + size]
            case "insert":
                data[start:start] = noise
            case "noise":
                data[start : start + size] = noise
    return bytes(data)


def altered(table: dict[str, Any], generator: random.Random) -> dict[str, Any]:
    """A parsed TOML or JSON table with one slip or a few: other values, other keys, values in wrong places."""
    table = copy.deepcopy(table)
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        places = _places(table)
        holder, key = generator.choice(places)
        other_holder, other_key = generator.choice(places)
        match generator.choice(("value", "value", "nudge", "nudge", "nudge", "copy", "drop", "rename", "wrap")):
            case "value":
                holder[key] = copy.deepcopy(generator.choice(VALUES))
            case "copy":
                holder[key] = copy.deepcopy(other_holder[other_key])
            case "drop":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                letter = generator.randrange(len(key) + 1)
                holder[key[:letter] + generator.choice("aeg_\n") + key[letter + generator.randrange(2) :]] = holder[key]
            case "wrap":
                holder[key] = generator.choice(([holder[key]], {"low": holder[key], "high": 5}, str(holder[key])))
            case "nudge" if isinstance(holder[key], int | float):
                holder[key] = generator.choice((holder[key] + 1, -holder[key], holder[key] * 10, holder[key] // 3))
    return table


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree, and one that would be new."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    within = [place for key in keys for place in _places(node[key])]
    return [(node, key) for key in keys] + within
