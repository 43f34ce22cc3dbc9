"""How each command begins and ends."""

import atexit
import gc
import os
import sys
from contextlib import suppress

import typer

COLLECT_AFTER = 50_000  # new objects; by itself Python looks for garbage after 700
QUESTIONS = {"--install-completion", "--show-completion"}


def start(app: typer.Typer, installed: str) -> None:
    """Run a command, which is called `installed` where it is installed.

    Shells complete programs by their names, and `python -m search` is python to them: there too the completion that is
    asked for is that of the installed program.
    """
    gc.set_threshold(COLLECT_AFTER)  # an import of PyTorch or Ray makes a million objects and no garbage
    codes: list[int] = []
    atexit.register(_leave, codes)  # the first to be registered is the last to be called
    try:
        app(prog_name=installed if QUESTIONS & {*sys.argv[1:]} else None)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            codes.append(end.code or 0)
        raise


def _leave(codes: list[int]) -> None:
    """End this process here, with the exit code that the command chose.

    Python would look through all objects of Ray and PyTorch, for more than a second; and Triton's, were they frozen
    against that, would complain in thirty lines that they leak.
    """
    for code in codes:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):  # nobody reads it any more
                stream.flush()
        os._exit(code)
