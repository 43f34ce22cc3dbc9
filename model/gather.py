"""The pictures that the words of a command name: files, the pictures in folders, quoted patterns, standard input."""

import glob
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from model.picture import Picture, pictures_in

STANDARD_INPUT = "-"


def gathered(words: Iterable[str]) -> list[Picture]:
    """Return the pictures that words name, in their order.

    A word is a file, a folder (the pictures in it, by name, not those in its folders), a pattern such as "scans/*.png"
    ("**" for folders of any depth), or "-" for standard input. One that names nothing is returned as it is: to open it
    says why.
    """
    return [picture for word in words for picture in _named_by(word)]


def _named_by(word: str) -> list[Picture]:
    if word == STANDARD_INPUT and sys.stdin:
        return [sys.stdin.buffer]
    paths = [word]
    if not os.path.lexists(word):  # a file may be called [1].png
        pattern = os.path.expanduser(word)  # noqa: PTH111  # pathlib refuses people who are not there
        paths = sorted(glob.glob(pattern, recursive=True)) or paths  # noqa: PTH207  # and whole paths
    found: list[Picture] = []
    for path in paths:
        found += pictures_in(Path(path)) or [path]
    return found
