"""What a person can correct is told in one line: where, what is wrong and the remedy."""

import errno
from typing import Any

FULL = {errno.ENOSPC, errno.EDQUOT}  # what a disk without room says
LONGEST = 2000  # letters; names and values in a message may be of any length


class InputError(Exception):
    """Raised for what a person gave; the text is one line, whatever the names and values in it hold."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


def one_line(text: str) -> str:
    """Line breaks and what else would disturb a terminal, as escapes; of a very long text the two ends."""
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 3 :]}"


def of_file(error: OSError) -> str:
    """The line for what a file or its disk refuses; `error` names the file."""
    remedy = "free some room" if error.errno in FULL else "see to its permissions"
    return f"{error.filename}: {error.strerror}; {remedy}"


def shown(value: Any) -> str:
    """`value` as a message shows it: not all of what is very long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested thousands of levels deep; an integer of thousands of digits
        return "(a value too large to show)"
    return text if len(text) <= 100 else f"{text[:100]}..."
