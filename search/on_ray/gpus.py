"""Whether torch can use the GPUs of a machine: one operation on each."""

import threading
import time
from contextlib import suppress

from model.errors import summary

DEVICE = "cuda"  # the kind of device that a GPU is to torch
TAKEN = ("out of memory", "busy or unavailable")  # in errors of CUDA's where other jobs hold a GPU, which is sound
TIME_LIMIT = 60.0  # seconds for the first operation on a GPU, which loads CUDA


def fault_of(index: int) -> str | None:
    """Return why torch can't use the visible GPU number `index` (from 0); None if it can."""
    import torch  # not at the top: the driver may have to report that torch can't be imported

    if DEVICE == "cuda" and not torch.cuda.is_available():
        return f"can't be used by torch {torch.__version__} (it finds no CUDA)"
    try:
        total = torch.ones(2, device=f"{DEVICE}:{index}").sum().item()
    except Exception as error:
        if any(words in str(error) for words in TAKEN):
            return None
        return f"can't be used by torch {torch.__version__} ({summary(error)})"
    return None if total == 2 else f"computes wrongly: 1 + 1 = {total:g}"


def faults(ids: list[str]) -> dict[str, str]:
    """Return what is wrong with those of the GPUs `ids`, all that are visible here, that torch can't use."""
    found = dict.fromkeys(ids, f"did not answer within {TIME_LIMIT:g} s")

    def look(index: int, gpu: str) -> None:
        fault = fault_of(index)
        if fault is None:
            with suppress(KeyError):
                del found[gpu]
        else:
            found[gpu] = fault

    looks = [threading.Thread(target=look, args=each, daemon=True) for each in enumerate(ids)]
    until = time.monotonic() + TIME_LIMIT
    for thread in looks:
        thread.start()
    for thread in looks:
        thread.join(max(until - time.monotonic(), 0.0))
    return dict(found)
