"""Names of hyperparameters: their initials, which are short enough for a line, and the one that a person meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMED = 3  # names that a remedy lists


def initials(names: Iterable[str]) -> dict[str, str]:
    """Return a short form of each name, such as "lr" of learning_rate and "c1w" of conv1_width.

    It consists of the first letters and the digits of its words. A name of one word stays as it is, and so do names
    whose short forms are the same.
    """
    short = {name: "".join(re.findall(r"(?:^|(?<=_))[a-z]|\d", name)) for name in names}
    forms = list(short.values())
    return {name: form if len(form) > 1 and forms.count(form) == 1 else name for name, form in short.items()}


def did_you_mean(name: str, known: list[str]) -> str:
    """Return the remedy for an unknown name: the known ones that it abbreviates or resembles, or all known ones."""
    meant = _meant(name.lower(), known)
    if not meant:
        return f"known are {', '.join(sorted(known)) or 'none'}"
    return f"did you mean {' or '.join(map(repr, meant[:MOST_NAMED]))}?"


def _meant(name: str, known: list[str]) -> list[str]:
    """Return the known names whose initials are `name`, else those with it as a word, else the one most like it."""
    abbreviated = [full for full, short in initials(known).items() if short == name]
    words = [full for full in known if name in re.split(r"_|(?<=[a-z])(?=\d)", full)]
    return abbreviated or words or get_close_matches(name, known, n=1, cutoff=0.5)
