"""How each command begins and ends."""

import gc
import sys

import typer

COLLECT_AFTER = 50_000  # new objects; by itself Python looks for garbage after 700
QUESTIONS = {"--install-completion", "--show-completion"}


def start(app: typer.Typer, installed: str) -> None:
    """Run a command, which is called `installed` where it is installed.

    Shells complete programs by their names, and `python -m search` is python to them: there too the completion that is
    asked for is that of the installed program.
    """
    gc.set_threshold(COLLECT_AFTER)  # an import of PyTorch or Ray makes a million objects and no garbage
    try:
        app(prog_name=installed if QUESTIONS & {*sys.argv[1:]} else None)
    finally:
        gc.freeze()  # as it ends Python would look through all objects of Ray and PyTorch, for more than a second
