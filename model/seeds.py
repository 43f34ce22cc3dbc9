"""Seeds of all randomness, apart from what needs torch."""

import hashlib


def derive_seed(*parts: int) -> int:
    """Return a 63-bit seed that is a function of all parts, such as (seed, trial number, epoch), and of their order."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
