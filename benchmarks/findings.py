"""The notebook of findings, run anew on a run: python -m benchmarks.findings RUN_DIR

Its sentences and pictures are part of the repository, for those who read it where it is hosted.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

from model.files import digest, write_atomically

NOTEBOOK = Path(__file__).parents[1] / "analysis" / "findings.ipynb"
CODE = "code_that_was_run"  # the notebook's metadatum that tells whether its outputs are of its code


def main(run_dir: str) -> None:
    notebook = executed(Path(run_dir))
    notebook.metadata[CODE] = digest_of_code(notebook)
    write_atomically(NOTEBOOK, f"{nbformat.writes(notebook)}\n".encode())


def executed(run_dir: Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of a run, which takes the place of runs/quick."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with TemporaryDirectory() as tree:
        for folder in ("analysis", "runs"):
            Path(tree, folder).mkdir()
        Path(tree, "runs", "quick").symlink_to(run_dir.absolute())
        here = {"metadata": {"path": f"{tree}/analysis"}}
        NotebookClient(notebook, timeout=300, resources=here, record_timing=False).execute()
    return notebook


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest_of_code(notebook: nbformat.NotebookNode) -> str:
    return digest("\n".join(cell.source for cell in code_cells(notebook)).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
