"""Matplotlib for the report, whatever the person's own settings are: no backend, and its default look."""

import logging
import os
import sys
from contextlib import AbstractContextManager, suppress

# Inherited from a notebook, it may name a backend that is not here, and then matplotlib can't even be imported.
inherited = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
# In a home folder that can't be written it says at length where it keeps its cache, on which nothing here depends.
log = logging.getLogger("matplotlib")
was_disabled, log.disabled = log.disabled, True
try:
    import matplotlib.style
finally:
    log.disabled = was_disabled
    if inherited is not None:
        os.environ["MPLBACKEND"] = inherited
if inherited is not None:
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = inherited  # for the figures of others in this process


def default_look() -> AbstractContextManager[None]:
    """Draw and write figures as matplotlib would without any matplotlibrc, while the body runs."""
    return matplotlib.style.context("default")
