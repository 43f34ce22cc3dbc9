"""A damaged export is written again, one that a kill set aside is put back, and nothing else is touched."""

from pathlib import Path

import pytest

from analysis.tables.run import read_run
from model.card import FILES, ModelCard, read_card
from model.data import Dataset
from search import stages
from search.experiment import Experiment
from search.progress import Progress
from search.run import run_search
from search.store.export import exported
from search.store.study import CONFIRM
from tests.chaos.damage.ways import TRIALS, run_of
from tests.without_ray import OneByOne

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_damaged_export_is_written_again_and_reported(
    run_dir: Path, experiment: Experiment, dataset: Dataset, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {path.name: path.read_bytes() for path in (run_dir / "export").iterdir()}
    (run_dir / "export" / name).write_bytes(whole[name][: len(whole[name]) // 2])
    run = run_of(run_dir, experiment, dataset)
    assert not stages.is_settled(run)
    stages.export(run, OneByOne())
    said = capsys.readouterr().err
    assert said.endswith("the export is written again from the winner's checkpoint\n")
    assert len(said.splitlines()) == 1
    for kept in {*FILES} - {"model.json"}:
        assert (run_dir / "export" / kept).read_bytes() == whole[kept]
    card = read_card(run_dir / "export")
    before = ModelCard.model_validate_json(whole["model.json"])
    assert card == before.model_copy(update={"metrics": {**before.metrics, "test_scorings": 2}})
    assert stages.is_settled(run)


def test_an_export_set_aside_by_a_kill_is_put_back_and_not_scored_again(
    run_dir: Path, experiment: Experiment, dataset: Dataset, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = (run_dir / "export" / "test_predictions.csv").stat().st_mtime_ns
    (run_dir / "export").rename(run_dir / ".export.old")  # a kill between the two renames of a replacement
    assert read_run(run_dir).model["metrics"]["test_images"] == 100
    assert exported(run_dir) == run_dir / "export"
    assert stages.is_settled(run_of(run_dir, experiment, dataset))
    outcome = run_search(experiment, run_dir, Progress(quiet=True), resume=True, data=tiny_root)
    assert outcome.export == run_dir / "export"
    assert "all is confirmed and exported" in capsys.readouterr().out
    assert (run_dir / "export" / "test_predictions.csv").stat().st_mtime_ns == scored
    assert not (run_dir / ".export.old").exists()


def test_is_settled_changes_nothing(run_dir: Path, experiment: Experiment, dataset: Dataset) -> None:
    confirmed = experiment.model_copy(update={"confirm": experiment.confirm.model_copy(update={"top": 2})})
    run = run_of(run_dir, confirmed, dataset)
    assert not stages.is_settled(run)
    assert run.study(CONFIRM).trials() == []


def test_the_card_names_the_winner(run_dir: Path) -> None:
    assert read_card(run_dir / "export").provenance["source"]["run"] == TRIALS - 1
