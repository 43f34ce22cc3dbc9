"""The notebook of docs/ in a real kernel; and a search there that is interrupted as Jupyter does it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from optuna.trial import TrialState

from search.experiment import with_trials
from search.store import location
from search.store.records import read_trials
from search.store.resolved import load_resolved
from search.store.study import SEARCH, open_study
from search.winner import Outcome
from tests.harness import ROOT, environment, tiny
from tests.without_ray import without_ray

PAGES = ROOT / "docs"


@pytest.fixture
def env(tiny_root: Path) -> dict[str, str]:
    return environment(DIGIT_SEARCH_DATA=str(tiny_root))


def test_the_notebook_runs(env: dict[str, str], tmp_path: Path) -> None:
    notebook = nbformat.read(PAGES / "search.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=env)
    said = [
        "".join(output.get("text", "") or output["data"]["text/plain"] for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    assert "  complete    3 epochs" in said[0]
    assert "notebook: running, " in said[0]  # the view, which is updated
    assert said[1].startswith("None ")
    assert "runs/notebook/export" in said[1]
    assert "val_accuracy" in said[2]
    assert [record.state for record in read_trials(tmp_path / "runs" / "notebook")].count("complete") >= 1


@pytest.fixture
def kernel(env: dict[str, str], tmp_path: Path) -> Iterator[tuple[KernelManager, Any]]:
    manager, client = start_new_kernel(cwd=str(tmp_path), env=env)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def executed(client: Any, code: str, on_line: Callable[[str], None] = lambda _: None) -> str:
    """Run code in the kernel and return all that it printed; an exception is an AssertionError here."""
    said = ""
    message_id = client.execute(code)
    while True:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        match message["msg_type"]:
            case "stream":
                said += message["content"]["text"]
                on_line(message["content"]["text"])
            case "error":
                raise AssertionError("\n".join(message["content"]["traceback"]))
            case "status" if message["content"]["execution_state"] == "idle":
                return said


def test_an_interrupt_of_the_kernel_leaves_a_search_that_goes_on(
    kernel: tuple[KernelManager, Any], go: Callable[..., Outcome], one_thread: None, tmp_path: Path
) -> None:
    manager, client = kernel
    (tmp_path / "long.toml").write_text(tiny(trials=500, epochs=3))
    interrupted = []

    def interrupt(text: str) -> None:
        if "complete" in text and not interrupted:
            interrupted.append(text)
            manager.interrupt_kernel()

    said = executed(client, "from search import run_search\noutcome = run_search('long.toml')", interrupt)
    assert "interrupted; go on with: the same call with resume=True" in said
    assert executed(client, "print(outcome.stopped, outcome.export)") == "interrupted None\n"
    before = read_trials(tmp_path / "runs" / "long")
    study = open_study(location.open_storage(tmp_path / "runs" / "long"), SEARCH)
    assert study.trials(TrialState.RUNNING) == []  # it ended tidily
    ended = [record for record in before if record.state == "complete"]
    (tmp_path / "runs" / "long").rename(tmp_path / "long")
    go(with_trials(load_resolved(tmp_path / "long"), len(before)), "long", connect=without_ray())
    after = read_trials(tmp_path / "long")
    assert [record.state for record in after] == ["complete"] * len(before)
    assert [record for record in after if record.number in {trial.number for trial in ended}] == ended


def test_the_parts_of_their_own_run_in_any_study() -> None:
    """The last block of docs/python.md."""
    blocks = re.findall(r"```python\n(.*?)```", (PAGES / "python.md").read_text(encoding="utf-8"), re.S)
    names: dict[str, Any] = {}
    exec(blocks[-1], names)
    assert len(names["study"].trials) == 20
    assert all(compile(block, "docs/python.md", "exec") for block in blocks)
