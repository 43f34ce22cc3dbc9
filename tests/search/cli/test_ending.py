"""The end of a run says the same everywhere: what failed, and whether anything was learned."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.tables.run import read_run
from analysis.words.in_short import headline, in_short
from analysis.words.next_steps import next_steps
from search.cli.ending import conclude
from search.progress import Progress
from search.progress.status import read_status
from search.progress.view import view
from search.run import run_search
from search.store.resolved import load_resolved
from search.winner import outcome_of
from tests.analysis.studies import Writer
from tests.searches import experiment
from tests.without_ray import without_ray

FACTS = {"validation_images": 10_000, "most_frequent_class": 0.1124}
WORDS = "2 of 3 trials: 7 MiB were missing"


def written(run_dir: Path, accuracies: list[float | None], **hyperparameters: Any) -> Writer:
    """Return a run whose trials have these accuracies; None stands for one that failed."""
    search = {"trials": len(accuracies), "recipe_first": False, "pruner": "none", "sampler": "random"}
    space = {"epochs": 1, "dropout1": {"low": 0.0, "high": 0.5}, **hyperparameters}
    run = Writer(run_dir, {"search": search, "hyperparameters": space, "confirm": {"top": 0}}, FACTS)
    for number, accuracy in enumerate(accuracies):
        if accuracy is None:
            run.trial([], "failed", error=f"{7 + number} MiB were missing")
        else:
            run.trial([accuracy])
    return run


def shown(run_dir: Path) -> str:
    """Return what `search status` shows."""
    console = Console(width=200, file=io.StringIO())
    console.print(view(read_status(run_dir), 200))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def last_lines(run_dir: Path, stopped: str | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    export = run_dir / "export"
    outcome = outcome_of(run_dir, stopped, export if export.exists() and not stopped else None)
    conclude(outcome, Progress(), "AGAIN", "RETRY")
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("stopped", [None, "10 trials in a row failed"])
@pytest.mark.parametrize("accuracies", [[None, None, 0.98], [None, None]], ids=["some failed", "all failed"])
def test_failures_are_named_everywhere(
    tmp_path: Path, accuracies: list[float | None], stopped: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = written(tmp_path / "run", accuracies).run_dir
    words = WORDS.replace("of 3", f"of {len(accuracies)}")
    outcome, status, run = outcome_of(run_dir, stopped, None), read_status(run_dir), read_run(run_dir)
    assert outcome.failures is not None
    assert outcome.failures.words == words
    assert outcome.failures == status.failures == run.failed
    assert in_short(run)["failed"] == f"{words}; --retry-failed tries them again"
    assert f"failed  {words}; --retry-failed tries them again" in shown(run_dir)
    first, *_, last = last_lines(run_dir, stopped, capsys)
    assert first == f"failed    {words}; try again what failed with: RETRY"
    assert last.endswith("go on with: AGAIN" if stopped else "the report says why trials ended")


def test_a_search_that_learned_nothing_says_so_and_proposes_no_use_of_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written(tmp_path / "run", [0.098, 0.1124], optimizer="adamw")
    run.export({"val_accuracy": 0.1124}, {"source": {"candidate": 1}})
    read = read_run(run.run_dir)
    assert headline(read).startswith("run: nothing was learned")
    short = in_short(read)
    assert short["learned"] == (
        "nothing: by trial 1 11.24% of the 10,000 validation images are classified correctly, no more than by always "
        "answering the most frequent class (11.24%), but for noise"
    )
    assert 'with optimizer = "adamw" it is usually 0.0001 to 0.01' in short["cause"]
    assert not {"winner", "mattered", "outlook"} & set(short)
    [step] = next_steps(read)
    assert step.lines == ("learning_rate = { low = 0.0001, high = 0.01, log = true }  # in [hyperparameters]",)
    assert "nothing learned: no better than one constant answer" in shown(run.run_dir)
    lines = last_lines(run.run_dir, None, capsys)
    assert [line.split()[0] for line in lines] == ["learned", "cause", "cost", "model"]
    assert (read_status(run.run_dir).learned, outcome_of(run.run_dir, None, None).learned) == (False, False)


def test_a_search_that_learned_something_offers_its_model(tmp_path: Path) -> None:
    run = written(tmp_path / "run", [0.098, 0.95], optimizer="adamw")
    run.export({"val_accuracy": 0.95}, {"source": {"candidate": 1}})
    read = read_run(run.run_dir)
    assert "learned" not in in_short(read)
    assert any("classify_image" in step.command for step in next_steps(read))
    assert (read_status(run.run_dir).learned, outcome_of(run.run_dir, None, None).learned) == (True, True)


def test_the_start_warns_of_a_learning_rate_left_at_the_default_and_stores_what_chance_is(
    tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = experiment(
        search={"trials": 1}, hyperparameters={"optimizer": "adamw"}, confirm={"top": 0, "recipe": {"optimizer": "sgd"}}
    )
    run_search(wanted, tmp_path / "run", Progress(quiet=True), data=tiny_root, connect=without_ray())
    recipe, searched = capsys.readouterr().err.splitlines()
    assert recipe.startswith("confirm.recipe.learning_rate = 1 is the default, which suits adadelta")
    assert searched.startswith("hyperparameters.learning_rate = 1 is the default, which suits adadelta")
    assert 0.1 <= load_resolved(tmp_path / "run").automatic["most_frequent_class"] < 0.2
