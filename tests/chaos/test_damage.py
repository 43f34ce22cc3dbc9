"""Torn files and flipped bits, everywhere in what a run leaves on disk: the same values, or one line. Never others.

CHAOS_FLIPS bits (default 200) are flipped in each file, one at a time. Not in the study: SQLite keeps no sums.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from analysis.report import write_report
from analysis.run import read_run
from model.card import FILES, ExportError, read_card, read_whole
from model.checkpoint import FILE, CheckpointError, load, save
from model.data import Dataset, load_dataset
from model.export import read_export
from model.train import start
from search import confirm, study
from search.experiment import Experiment, parse_experiment
from search.folder import check_folder
from search.progress import Progress
from search.resolved import load_resolved, resolved
from search.run import run_search
from search.sampling import ask
from search.space import ConfigError, complete

pytestmark = pytest.mark.chaos
FLIPS = int(os.environ.get("CHAOS_FLIPS", "200"))
PAGE = 4096
CPU = torch.device("cpu")
TRIALS = 12


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    tiny = {"epochs": 2, "conv1_width": 2, "conv2_width": 2, "hidden_width": 16, "pool": "early"}
    return parse_experiment(
        {
            "data": {"validation_images": 100},
            "search": {"trials": TRIALS, "recipe_first": False, "sampler": "random", "pruner": "none"},
            "hyperparameters": {**tiny, "dropout1": {"low": 0.0, "high": 0.3}},
            "confirm": {"top": 0},
        }
    )


@pytest.fixture(scope="module")
def dataset(tiny_root: Path) -> Dataset:
    return load_dataset("mnist", tiny_root, validation_images=100)


@pytest.fixture(scope="module")
def finished(experiment: Experiment, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that ended well, made without Ray and without training. Not to be changed by a test."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    run_dir.mkdir()
    (run_dir / "experiment.toml").write_text(resolved(experiment, {"dataset": "mnist"}))
    (run_dir / "environment.json").write_text(json.dumps({"versions": {"python": "3"}}))
    storage = study.open_storage(run_dir)
    of_search = study.open_study(storage, study.SEARCH)
    for number in range(TRIALS):
        trial = ask(of_search, experiment.space.searched, "random", 0)
        place = f"ray/session/{number}/checkpoint_000001"
        study.set_attributes(of_search, trial._trial_id, started=1.0, saved_state={"place": place, "epoch": 2})
        for epoch in (1, 2):
            study.record_epoch(of_search, trial._trial_id, metrics(epoch, 0.5 + number / 100))
        study.finish(of_search, trial._trial_id, TrialState.COMPLETE)
        (run_dir / place).mkdir(parents=True)
        save(start(complete(experiment.space, trial.params), seed=0, number=number, device=CPU), run_dir / place)
    confirm.export_winner(engine(run_dir), experiment, storage, dataset)
    storage.engine.dispose()
    return run_dir


@pytest.fixture
def run_dir(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def metrics(epoch: int, accuracy: float) -> dict[str, Any]:
    values = {"train_loss": 1.0, "val_loss": 1.0, "seconds": 2.0, "images_per_second": 1000.0, "clock": 7.0}
    return {"epoch": epoch, "val_accuracy": accuracy, **values}


def engine(run_dir: Path) -> Any:
    """All that writing an export asks of an engine where no refit is wanted."""
    return SimpleNamespace(run_dir=run_dir, progress=Progress(quiet=True))


def torn(whole: bytes) -> Iterator[tuple[str, bytes]]:
    for length in sorted({*range(0, len(whole), PAGE), len(whole) - 1}):
        yield f"cut to {length} of {len(whole)} bytes", whole[:length]


def flipped(whole: bytes) -> Iterator[tuple[str, bytes]]:
    generator = random.Random(len(whole))
    for _ in range(FLIPS):
        byte, bit = generator.randrange(len(whole)), generator.randrange(8)
        damaged = bytearray(whole)
        damaged[byte] ^= 1 << bit
        yield f"bit {bit} of byte {byte} flipped", bytes(damaged)


def damage(path: Path) -> Iterator[str]:
    """Damage the file in one way after the other, saying how."""
    whole = path.read_bytes()
    for how, contents in (*torn(whole), *flipped(whole)):
        path.write_bytes(contents)
        yield f"{path.name}: {how}"
    path.write_bytes(whole)


def refused(read: Callable[[], Any], error: type[Exception], how: str, expected: Any = None) -> bool:
    """Whether `read` refused, in one line; if it did not, it must have given the `expected` values."""
    try:
        found = read()
    except error as caught:
        lines = str(caught).splitlines()
    else:
        lines = []
        assert found == expected, how
    assert len(lines) <= 1, how
    return bool(lines)


def test_every_damage_to_a_training_state_is_refused(run_dir: Path) -> None:
    state = next(run_dir.glob(f"ray/**/{FILE}"))
    assert load(state.parent, CPU).number is not None
    assert all(refused(lambda: load(state.parent, CPU), CheckpointError, how) for how in damage(state))


def export_values(folder: Path) -> dict[str, Any]:
    values = dict(vars(read_export(folder)))
    weights = values.pop("net").state_dict()
    return values | {name: tensor.numpy().tobytes() for name, tensor in weights.items()}


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_damaged_export_is_refused_or_read_as_it_was(run_dir: Path, name: str) -> None:
    folder = run_dir / "export"
    values, card = export_values(folder), read_whole(folder)
    for how in damage(folder / name):
        reading = refused(lambda: export_values(folder), ExportError, how, values)
        assert reading or name not in ("mnist_cnn.pt", "model.json"), how
        resuming = refused(lambda: read_whole(folder), ExportError, how, card)
        assert resuming or name == "SHA256SUMS", how  # its last line break means nothing


def test_every_damage_to_the_configuration_is_refused(run_dir: Path) -> None:
    assert all(refused(lambda: load_resolved(run_dir), ConfigError, how) for how in damage(run_dir / "experiment.toml"))


def test_all_who_read_a_runs_configuration_refuse_a_plausible_change(run_dir: Path, experiment: Experiment) -> None:
    path = run_dir / "experiment.toml"
    path.write_text(path.read_text().replace("high = 0.3", "high = 0.4"))
    for read in (lambda: read_run(run_dir), lambda: check_folder(experiment, run_dir, resume=True)):
        with pytest.raises(ConfigError, match="damaged or edited .*edit your own CONFIG"):
            read()


class Preformatted(HTMLParser):
    """The text of a page's <pre> elements."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.text = ""
        self._within = False
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self._within = tag == "pre"

    def handle_data(self, data: str) -> None:
        self.text += data if self._within else ""

    def handle_endtag(self, _tag: str) -> None:
        self._within = False


def test_a_lost_configuration_can_be_had_from_the_report(run_dir: Path) -> None:
    page = write_report([run_dir])
    before = load_resolved(run_dir)
    (run_dir / "experiment.toml").write_text(Preformatted(page).text)
    assert load_resolved(run_dir) == before


@pytest.mark.parametrize("log", ["no log", "a log that a kill left"])
def test_a_study_that_lost_its_end_is_refused(run_dir: Path, experiment: Experiment, tmp_path: Path, log: str) -> None:
    if log != "no log":
        storage = study.open_storage(run_dir)
        study.open_study(storage, study.SEARCH).enqueue_trial({"dropout1": 0.1})
        run_dir = Path(shutil.copytree(run_dir, tmp_path / "killed"))
        storage.engine.dispose()
    kept = {name: (run_dir / name).read_bytes() for name in ("study.db", "study.db-wal") if (run_dir / name).exists()}
    assert ("study.db-wal" in kept) == (log != "no log")

    def put(contents: bytes) -> None:
        for leftover in run_dir.glob("study.db*"):
            leftover.unlink()
        for name, content in {**kept, "study.db": contents}.items():
            (run_dir / name).write_bytes(content)

    put(kept["study.db"])
    records = study.read_trials(run_dir)
    assert len(records) == TRIALS + (log != "no log")
    for how, contents in torn(kept["study.db"]):
        put(contents)
        reading = refused(lambda: study.read_trials(run_dir), ConfigError, how, records)
        resuming = refused(lambda: study.open_storage(run_dir), ConfigError, how)
        assert reading, how
        assert resuming, how
        put(contents)
        assert not contents or refused(
            lambda: check_folder(load_resolved(run_dir), run_dir, resume=True), ConfigError, how
        )


def test_a_study_that_lost_its_trials_is_not_begun_again(run_dir: Path, experiment: Experiment) -> None:
    """An older or another database, say, where search.storage leads elsewhere than before."""
    (run_dir / "study.db").unlink()
    study.open_study(study.open_storage(run_dir), study.SEARCH)
    for resume in (False, True):
        with pytest.raises(ConfigError, match="its study is gone or holds no trial, though export is there"):
            check_folder(experiment, run_dir, resume=resume)
    shutil.rmtree(run_dir / "export")
    with pytest.raises(ConfigError, match="though ray/session/.*/checkpoint_000001 is there"):
        check_folder(experiment, run_dir, resume=True)
    shutil.rmtree(run_dir / "ray")
    check_folder(experiment, run_dir, resume=True)  # nothing to lose


def test_an_emptied_study_keeps_its_log(run_dir: Path) -> None:
    (run_dir / "study.db").write_bytes(b"")
    (run_dir / "study.db-wal").write_bytes(b"what may still be rescued")
    with pytest.raises(ConfigError, match="it is empty"):
        study.read_trials(run_dir)
    assert (run_dir / "study.db-wal").read_bytes() == b"what may still be rescued"


def test_a_kill_while_the_study_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            study.open_storage(tmp_path)
    assert not (tmp_path / "study.db").exists()
    study.open_study(study.open_storage(tmp_path), study.SEARCH)
    assert study.read_trials(tmp_path) == []
    assert not (tmp_path / ".study.db.new").exists()


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_damaged_export_is_written_again_and_said(
    run_dir: Path, experiment: Experiment, dataset: Dataset, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {path.name: path.read_bytes() for path in (run_dir / "export").iterdir()}
    (run_dir / "export" / name).write_bytes(whole[name][: len(whole[name]) // 2])
    storage = study.open_storage(run_dir)
    assert not confirm.is_settled(run_dir, experiment, storage)
    confirm.export_winner(engine(run_dir), experiment, storage, dataset)
    said = capsys.readouterr().err
    assert said.endswith("the export is written again from the winner's training state\n")
    assert len(said.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in (run_dir / "export").iterdir()} == whole
    assert confirm.is_settled(run_dir, experiment, storage)


def test_an_export_set_aside_by_a_kill_is_put_back_and_not_scored_again(
    run_dir: Path, experiment: Experiment, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = (run_dir / "export" / "test_predictions.csv").stat().st_mtime_ns
    (run_dir / "export").rename(run_dir / ".export.old")  # a kill between the two renames of a replacement
    assert read_run(run_dir).model["metrics"]["test_images"] == 100
    assert confirm.exported(run_dir) == run_dir / "export"
    assert confirm.is_settled(run_dir, experiment, study.open_storage(run_dir))
    outcome = run_search(experiment, run_dir, Progress(quiet=True), resume=True, data=tiny_root)
    assert outcome.export == run_dir / "export"
    assert "all is confirmed and exported" in capsys.readouterr().out
    assert (run_dir / "export" / "test_predictions.csv").stat().st_mtime_ns == scored
    assert not (run_dir / ".export.old").exists()


def test_asking_whether_all_is_settled_changes_nothing(run_dir: Path, experiment: Experiment) -> None:
    storage = study.open_storage(run_dir)
    confirmed = experiment.model_copy(update={"confirm": experiment.confirm.model_copy(update={"top": 2})})
    assert not confirm.is_settled(run_dir, confirmed, storage)
    assert study.open_study(storage, study.CONFIRM).trials == []


def test_the_card_is_the_winners(run_dir: Path) -> None:
    assert read_card(run_dir / "export").provenance["source"]["run"] == TRIALS - 1
