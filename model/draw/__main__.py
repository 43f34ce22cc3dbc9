"""The command `python -m model.draw`: a page of this machine alone, to draw on, until Ctrl-C ends it."""

import socket
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from model.errors import needing_extra, one_line, one_line_errors
from model.files import path_argument

EXAMPLES = """\b
Examples:
  python -m model.draw
  python -m model.draw --model runs/quick/export --no-browser
"""
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(epilog=EXAMPLES)
def draw(
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="An export folder. [default: the newest below runs/]",
            show_default=False,
            parser=path_argument,
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open no browser, as over ssh -L.")
    ] = False,
) -> None:
    """Draw a digit in the browser and watch what the network makes of it. Ctrl-C ends it."""
    with one_line_errors():
        _serve(model, no_browser)


def _serve(model: Path | None, no_browser: bool) -> None:
    """Answer the page until Ctrl-C. Raises: ConfigError, ExportError; OSError for a folder that may not be entered."""
    with needing_extra("model.draw", "draw"):
        from model.draw.server import web_server
    import torch

    from model.export import chosen_export, read_export

    torch.set_num_threads(1)  # pictures are small: on a busy machine threads wait for each other longer than they work
    export = read_export(chosen_export(model))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        print(one_line(f"{address}  draw a digit for {export.folder}; Ctrl-C ends it"), flush=True)
        if not no_browser:  # some browsers keep who opens them waiting, and this page must answer meanwhile
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        web_server(export).run(sockets=[listening])
    raise KeyboardInterrupt  # nothing else ends it; uvicorn raises none where this process began with SIGINT ignored


def main() -> None:
    app()


if __name__ == "__main__":
    main()
