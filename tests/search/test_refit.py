"""A refit learns from all images but a few that are held back: these check and calibrate what is exported."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.tables.run import read_run
from analysis.words.verdict import verdict
from analysis.words.worth import worth
from model.calibration import calibrated, fit_temperature
from model.card import ModelCard, read_card
from model.data import Dataset, load_dataset
from model.export import read_export
from model.precision import Precision
from model.train import EpochMetrics, TrainingState, predict
from model.train import fit as train
from search.on_ray import trial
from search.stages import exporting, refitting
from search.store import export as store_export
from search.store.failures import OUTDATED
from search.store.records import read_trials
from search.store.study import CONFIRM, REFIT
from search.trials import Trials
from search.winner import Outcome
from tests.searches import Go, experiment
from tests.without_ray import without_ray

pytestmark = pytest.mark.usefixtures("one_thread")
WANTED = experiment(
    data={"train_images": 200},
    search={"trials": 1},
    hyperparameters={"batch_size": 100},
    confirm={"top": 1},
    export={"refit": True},
)


def card_of(outcome: Outcome) -> ModelCard:
    return read_card(outcome.run_dir / "export")


def test_a_refit_uses_all_images_but_some_and_claims_no_validation(go: Go) -> None:
    outcome = go(WANTED, connect=without_ray())
    card = card_of(outcome)
    assert card.provenance["source"]["refit"]
    assert (card.provenance["training_images"], card.provenance["calibration_images"]) == (580, 20)
    runs = [record.value or 0 for record in read_trials(outcome.run_dir, CONFIRM)]
    assert card.metrics["val_accuracy"] == pytest.approx(sum(runs) / 2)
    assert "; refit: 2 epochs, " in worth(read_run(outcome.run_dir))["cost"]


def test_what_is_held_back_is_never_trained_on_and_is_what_the_refit_is_judged_and_calibrated_by(
    go: Go, tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Dataset] = []
    fitted = []

    def watched(training: TrainingState, data: Dataset, precision: Precision) -> Iterator[EpochMetrics]:
        seen.append(data)
        return train(training, data, precision)

    def fit(answers: torch.Tensor, labels: torch.Tensor) -> float:
        fitted.append((answers, labels))
        return fit_temperature(answers, labels)

    monkeypatch.setattr(trial, "fit", watched)
    monkeypatch.setattr(store_export, "fit_temperature", fit)
    outcome = go(WANTED, connect=without_ray())
    refitted_on = seen[-1]
    trained, held_back = [image.numpy().tobytes() for image in refitted_on.train.images], refitted_on.val
    assert not {image.numpy().tobytes() for image in held_back.images} & set(trained)
    assert len(trained) == len(set(trained)) == 580

    assert outcome.export
    export, data = read_export(outcome.export), load_dataset("mnist", tiny_root, validation_images=100)
    answers = predict(export.net, held_back.images, export.mean, export.std)
    [refitted] = read_trials(outcome.run_dir, REFIT)
    assert refitted.value == pytest.approx(float((answers.argmax(dim=1) == held_back.labels).double().mean()))
    [(given, labels)] = fitted
    torch.testing.assert_close(given, answers)
    assert torch.equal(labels, held_back.labels)
    assert export.temperature == pytest.approx(fit_temperature(answers, labels))
    assert export.temperature != 1
    tests = predict(export.net, data.test.images, export.mean, export.std)
    row = (outcome.export / "test_predictions.csv").read_text().splitlines()[1].split(",")
    found = torch.tensor([[float(number) for number in row[5:]]])
    torch.testing.assert_close(found, calibrated(tests[:1], export.temperature).exp())


def test_without_a_refit_an_export_is_calibrated_on_all_validation_images(go: Go) -> None:
    unlike = {"export": WANTED.export.model_copy(update={"refit": False})}
    outcome = go(WANTED.model_copy(update=unlike), connect=without_ray())
    card = card_of(outcome)
    assert (card.provenance["training_images"], card.provenance["calibration_images"]) == (200, 100)
    assert card.temperature != 1
    assert any("fitted on 100 images new to it" in sentence for sentence in verdict(read_run(outcome.run_dir)))


def interrupt(*_words: Any, **_named: Any) -> Any:
    raise KeyboardInterrupt


def begin_as_earlier_versions_did(go: Go, monkeypatch: pytest.MonkeyPatch, connect: Any = None) -> None:
    """Begin a run whose refit is on all images, and end it before its export at the latest."""
    whole = Dataset.for_refit
    with monkeypatch.context() as earlier:
        earlier.setattr(Dataset, "for_refit", lambda data: replace(whole(data, hold_back=False), val=data.val))
        earlier.setattr(refitting, "HELD_BACK", "unknown")
        earlier.setattr(exporting, "_write_export", interrupt)
        with pytest.raises(KeyboardInterrupt):
            go(WANTED, connect=connect or without_ray())


def test_a_refit_of_an_earlier_version_is_exported_as_it_is(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights have seen all images, so none are left to calibrate them on."""
    begin_as_earlier_versions_did(go, monkeypatch)
    outcome = go(WANTED, connect=without_ray())
    assert len(read_trials(outcome.run_dir, REFIT)) == 1
    card = card_of(outcome)
    assert card.provenance["source"]["refit"]
    assert (card.provenance["training_images"], card.provenance["calibration_images"]) == (600, 0)
    assert card.temperature == pytest.approx(1, abs=1e-4)
    assert not any("calibrat" in sentence for sentence in verdict(read_run(outcome.run_dir)))


def test_a_half_done_refit_of_an_earlier_version_begins_anew(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has seen could not be held back from it any more."""

    def cut(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        goes_on = trials.on_result(ray_trial_id, result, checkpoint)
        return interrupt() if trials.stage.study.name == REFIT else goes_on

    begin_as_earlier_versions_did(go, monkeypatch, without_ray(cut))
    outcome = go(WANTED, connect=without_ray())
    refits = read_trials(outcome.run_dir, REFIT)
    assert [(trial.state, trial.attributes.get("error")) for trial in refits] == [
        ("failed", OUTDATED),
        ("complete", None),
    ]
    assert len(refits[1].epochs) == 2
    assert card_of(outcome).provenance["calibration_images"] == 20


def test_a_refit_that_was_cut_goes_on_with_the_same_images_held_back(go: Go, tmp_path: Path) -> None:
    def cut(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        goes_on = trials.on_result(ray_trial_id, result, checkpoint)
        return interrupt() if trials.stage.study.name == REFIT else goes_on

    straight = card_of(go(WANTED, "straight", connect=without_ray()))
    with pytest.raises(KeyboardInterrupt):
        go(WANTED, "cut", connect=without_ray(cut))
    again = go(WANTED, "cut", connect=without_ray())
    assert [trial.state for trial in read_trials(again.run_dir, REFIT)] == ["complete"]
    assert (card_of(again).sha256, card_of(again).temperature) == (straight.sha256, straight.temperature)


def test_a_refit_that_failed_is_tried_again_when_asked_for(go: Go) -> None:
    def fail(trials: Trials, ray_trial_id: str, result: dict[str, Any], checkpoint: Path | None) -> bool:
        result = {"error": "boom"} if trials.stage.study.name == REFIT else result
        return trials.on_result(ray_trial_id, result, checkpoint)

    outcome = go(WANTED, connect=without_ray(fail))
    assert "the refit failed (boom)" in card_of(outcome).provenance["no_refit"]
    go(WANTED, connect=without_ray())
    assert not card_of(outcome).provenance["source"]["refit"]  # nobody asked for another try
    go(WANTED, connect=without_ray(), retry_failed=True)
    assert card_of(outcome).provenance["source"]["refit"]
    assert [record.state for record in read_trials(outcome.run_dir, REFIT)] == ["complete"]
