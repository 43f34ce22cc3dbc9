"""A figure of a report, with its name and a sentence on what to see in it."""

from typing import NamedTuple

from matplotlib.figure import Figure

WIDE, HALF, PANEL = (9.6, 4.6), (4.9, 3.7), (3.7, 3.2)  # inches of one panel


class Picture(NamedTuple):
    """A figure, the name of its file without the ending, and a sentence on what to see in it.

    The page draws an `interactive` one anew, so that it answers to the mouse; the files are there all the same.
    """

    name: str
    sentence: str
    figure: Figure
    interactive: bool = False
