"""The view of a running search in a notebook: one output, which is updated."""

import io
import secrets
import sys
from collections.abc import Callable
from html import escape
from typing import Any

WIDTH = 100  # characters


def shown_in_notebook() -> Callable[[dict[str, Any]], None]:
    """Return a function that shows a status, as `dataclasses.asdict` makes it, in this cell's output.

    Where this process is no notebook's kernel it does nothing.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        return lambda _: None
    from pydantic import TypeAdapter
    from rich.console import Console

    from search.progress.status import Status
    from search.progress.view import view

    display_id, shown = secrets.token_hex(8), list[bool]()

    def show(table: dict[str, Any]) -> None:
        console = Console(width=WIDTH, file=io.StringIO(), record=True, force_jupyter=False)
        console.print(view(TypeAdapter(Status).validate_python(table), WIDTH))
        text = console.export_text()
        data = {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}
        shell.display_pub.publish(data, transient={"display_id": display_id}, update=bool(shown))
        shown.append(True)

    return show
