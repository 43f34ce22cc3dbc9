"""The notebook of findings runs on any run, says what its tables hold, and shows outputs of its own code."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest

from analysis.tables import run_table, trial_table
from benchmarks.findings import CODE, NOTEBOOK, code_cells, digest_of_code, executed
from search.store.study import CONFIRM
from tests.analysis.studies import NewRun, Writer

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "conv1_width": [16, 32], "epochs": 3}
SHOWN = nbformat.read(NOTEBOOK, as_version=4)


def shown(notebook: Any, kind: str) -> list[str]:
    """Return what a notebook shows of a MIME type, in its order; an output may hold several."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"display_data", "execute_result"}  # no warning, no error
    return [output["data"][kind] for output in outputs if kind in output["data"]]


def test_its_five_sentences_say_what_the_tables_hold(halving_run: Path) -> None:
    notebook = executed(halving_run)
    assert len(shown(notebook, "image/png")) == 5
    *sentences, together = shown(notebook, "text/markdown")
    won, matters, foretold, costs, time = sentences
    assert together == "\n".join(f"{place}. {each[2:-2]}" for place, each in enumerate(sentences, start=1))
    run, trials = run_table(halving_run).iloc[0], trial_table(halving_run)
    complete, stopped = (trials[trials.state == state] for state in ("complete", "pruned"))
    best = complete.loc[complete.val_accuracy.idxmax()]
    assert f"Trial {run.winner} won with a validation accuracy of {100 * run.val_accuracy:.2f} %, the mean of 3" in won
    assert matters.startswith("**learning_rate matters most: ")  # as tests.analysis.studies has it
    assert f"the order of the {len(complete)} complete trials" in foretold
    assert f"{complete.num_parameters.min():,} parameters instead of {best.num_parameters:,}" in costs
    share = stopped.duration.sum() / (trials.duration.sum() + trial_table(halving_run, CONFIRM).duration.sum())
    more = int((stopped.epochs - stopped.epochs_run).sum()) * 2  # each epoch of these trials took two seconds
    assert (
        f"{len(stopped)} in number, is {share:.0%}; to their end they would have taken about {more / 60:.0f} min"
        in time
    )


def _empty(run: Writer) -> None:
    pass


def _failed(run: Writer) -> None:
    run.trial([], "failed", error="boom")
    run.trial([float("nan")], "failed", error="loss nan")


def _interrupted(run: Writer) -> None:
    run.trial([0.9, 0.95, 0.97])
    run.trial([0.9], "pruned")
    run.trial([0.9, 0.95], "open")
    run.trial([], "open")


def _compared_with_the_recipe(run: Writer) -> None:
    for accuracy in (0.96, 0.97, 0.98):
        run.trial([0.9, 0.95, accuracy], params={"learning_rate": 0.5, "conv1_width": 16})
    run.confirm(2, [0.97, 0.972], {"learning_rate": 0.5, "conv1_width": 16})
    run.recipe([0.95, 0.952], {})


@pytest.mark.parametrize(
    ("hyperparameters", "fill", "words"),
    [
        (None, _empty, ["Nothing has won", "can't be said", "can't be said", "can't be said", "No time was spent"]),
        (SPACE, _failed, ["Nothing has won", "can't be said", "can't be said", "can't be said", "Training took 2 s"]),
        (SPACE, _interrupted, ["a single run, hence optimistic", "can't", "can't", "can't", "1 in number, is 17%"]),
        (
            SPACE,
            _compared_with_the_recipe,
            ["+2.00 points over the recipe (+2.00 to +2.00, 2 pairs): it is told", *[""] * 4],
        ),
    ],
)
def test_it_runs_on_any_run(
    new_run: NewRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hyperparameters: dict[str, Any] | None,
    fill: Callable[[Writer], None],
    words: list[str],
) -> None:
    fill(new_run(hyperparameters, name="runs/quick"))
    (tmp_path / "analysis").mkdir()
    monkeypatch.chdir(tmp_path / "analysis")
    names: dict[str, Any] = {}
    with plt.rc_context():
        exec("\n".join(cell.source for cell in code_cells(SHOWN)), names)
        plt.close("all")
    assert len(names["findings"]) == 5
    assert all(word in sentence for word, sentence in zip(words, names["findings"], strict=True))


def test_what_it_shows_is_of_the_code_that_it_shows() -> None:
    remedy = "run it anew: python -m benchmarks.findings RUN_DIR"
    assert SHOWN.metadata.get(CODE) == digest_of_code(SHOWN), remedy
    assert len(shown(SHOWN, "image/png")) == 5, remedy
    assert not re.search(r"/(tmp|home|root)/", NOTEBOOK.read_text(encoding="utf-8"))
