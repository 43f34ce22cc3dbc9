"""The exported network is the trained one with batch norm and the average of its weights folded in, scored as such."""

import csv
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from model.calibration import calibrated
from model.checkpoint import load
from model.data import load_dataset, normalise
from model.export import read_export
from model.fold import folded
from model.novelty import fit_novelty
from model.train import evaluate, predict
from search.store import checkpoints, export, outage
from search.store.checkpoint_store import CheckpointStore
from search.store.object_store import StoreError
from search.store.records import read_trials
from search.winner import Outcome
from tests.model.exports import alone
from tests.searches import experiment
from tests.without_ray import without_ray

SCRIPT = (
    "import torch; from mnist_cnn import Net; m = Net()\n"
    "m.load_state_dict(torch.load('mnist_cnn.pt', weights_only=True), strict=True)\n"
    "print(sorted({type(part).__name__ for part in m.modules()}))\n"
)
FIELDS = {"ema_decay": 0.9, "rotation": 5, "elastic": 1, "noise": 0.02, "dropout1": 0.1}


def test_a_search_exports_what_it_evaluated_folded_into_plain_weights(
    go: Callable[..., Outcome], tiny_root: Path, one_thread: None
) -> None:
    wanted = experiment(hyperparameters={**FIELDS, "batch_norm": True}, search={"trials": 1}, confirm={"top": 0})
    outcome = go(wanted, connect=without_ray())
    assert outcome.export
    (record,) = read_trials(outcome.run_dir)
    state = load(Path(checkpoints.places(CheckpointStore(outcome.run_dir), record.attributes)[0]), torch.device("cpu"))
    data = load_dataset("mnist", tiny_root, validation_images=100)
    assert evaluate(state.trained, data.val, data.mean, data.std)[1] == record.value

    export = read_export(outcome.export)
    assert export.hyperparameters == state.hyperparameters
    expected = folded(state.trained).state_dict()
    assert export.net.state_dict().keys() == expected.keys()
    assert all(torch.equal(weights, expected[name]) for name, weights in export.net.state_dict().items())
    with (outcome.export / "test_predictions.csv").open(newline="") as file:
        found = [[float(row[f"p{digit}"]) for digit in range(10)] for row in csv.DictReader(file)]
    answers = predict(export.net, data.test.images, data.mean, data.std)
    answers = calibrated(answers, export.temperature).exp()
    torch.testing.assert_close(torch.tensor(found), answers, atol=1e-6, rtol=1e-5)
    assert export.metrics["test_accuracy"] == evaluate(export.net, data.test, data.mean, data.std)[1]
    assert alone(outcome.export, SCRIPT).strip() == "['Conv2d', 'Dropout', 'Identity', 'Linear', 'Net']"


def test_novelty_is_found_from_images_that_the_network_has_not_seen(
    go: Callable[..., Outcome], tiny_root: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.novelty.FEWEST", 100)
    outcome = go(experiment(search={"trials": 1}, confirm={"top": 0}), connect=without_ray())
    assert outcome.export
    export, data = read_export(outcome.export), load_dataset("mnist", tiny_root, validation_images=100)
    trained, unseen = (normalise(split.images, data.mean, data.std) for split in (data.train, data.val))
    expected = fit_novelty(export.net, trained, unseen)
    assert export.novelty is not None
    assert expected is not None
    torch.testing.assert_close(export.novelty.limit, expected.limit, rtol=1e-3, atol=1e-3)


def test_batch_norm_is_searched_as_true_and_false(go: Callable[..., Outcome], one_thread: None) -> None:
    wanted = experiment(
        hyperparameters={**FIELDS, "batch_norm": [True, False], "epochs": 1}, search={"trials": 2}, confirm={"top": 0}
    )
    outcome = go(wanted, connect=without_ray())
    assert [record.params for record in read_trials(outcome.run_dir)] == [{"batch_norm": False}, {"batch_norm": True}]
    assert outcome.winner
    assert outcome.export
    assert read_export(outcome.export).hyperparameters.batch_norm == outcome.winner.run.params["batch_norm"]


def test_a_store_that_does_not_answer_is_no_lost_checkpoint(
    go: Callable[..., Outcome], one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The winner's checkpoint is there all the same: the run stops, and goes on."""
    wanted = experiment(search={"trials": 1}, confirm={"top": 0})
    with monkeypatch.context() as patched:
        patched.setattr(outage, "LIMIT", 0.0)
        patched.setattr(export, "fetched", Mock(side_effect=StoreError("bucket: connection refused")))
        stopped = go(wanted, connect=without_ray())
    assert str(stopped.stopped).startswith("the object store does not answer (bucket: connection refused)")
    assert stopped.export is None
    assert go(wanted, connect=without_ray()).export
