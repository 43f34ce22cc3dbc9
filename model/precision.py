"""The number format that a training computes in: bfloat16 where the processor multiplies matrices of it faster."""

from pathlib import Path
from typing import Literal

from model.machine import usable_gpus

Precision = Literal["float32", "bfloat16"]
CPUINFO = Path("/proc/cpuinfo")
FLAGS = {"amx_bf16", "avx512_bf16"}  # a processor without one imitates bfloat16, up to nine times slower


def resolved(wanted: Literal["auto"] | Precision, *, alone: bool) -> Precision:
    """Return the precision to train in: the one that is wanted, or the one that is faster on this machine.

    It is float32 where trials run on GPUs, on which bfloat16 was not measured, or not `alone` on this machine.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if alone and has_bfloat16() and not usable_gpus() else "float32"


def has_bfloat16() -> bool:
    """Return whether this machine's processor has instructions for products of bfloat16."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(FLAGS & set(line.split()) for line in lines if line.startswith("flags"))
