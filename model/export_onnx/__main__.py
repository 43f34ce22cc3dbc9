"""The command `python -m model.export_onnx EXPORT_DIR`: an exported network as an ONNX file (docs/onnx.md)."""

import sys
from pathlib import Path
from typing import Annotated

# `python -m` puts the working directory first, where a torch.py of the user's would take the place of the real one.
if __name__ == "__main__" and not sys.flags.safe_path and Path(sys.path[0]) != Path(__file__).parents[2]:
    del sys.path[0]

import typer

from model.errors import complain, needing_extra, one_line_errors
from model.files import path_argument

EXAMPLES = """\b
Examples:
  python -m model.export_onnx runs/quick/export
  python -m model.export_onnx runs/quick --out digits.onnx
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLES)
def export_onnx(
    export_dir: Annotated[
        Path,
        typer.Argument(help="An export folder, or that of a run.", parser=path_argument, metavar="EXPORT_DIR"),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write. Default: mnist_cnn.onnx in EXPORT_DIR.", parser=path_argument, metavar="FILE"
        ),
    ] = None,
) -> None:
    """Write the network of EXPORT_DIR as an ONNX file, which answers as it does in PyTorch, and print its path."""
    with one_line_errors():
        with needing_extra("model.export_onnx", "onnx"):
            from model.export_onnx.onnx_file import write_onnx
        written = write_onnx(export_dir, out)
        complain(f"note: same classes as in PyTorch, logits within {written.difference:.1e}, on {written.images}")
        print(written.path)


if __name__ == "__main__":
    app()
