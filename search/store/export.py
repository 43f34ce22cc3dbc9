"""The winner's export in a run's folder: where it came from, and how it is written and scored on the test images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.calibration import calibrated, calibration_error, fit_temperature
from model.card import ExportError, read_card, read_whole, where_it_lies
from model.catalogue import FALLBACK, FALLBACK_NOTE
from model.checkpoint import CheckpointError, load_trained
from model.data import Dataset, normalise
from model.errors import ConfigError
from model.fold import fold
from model.hyperparameters import Hyperparameters
from model.insight import insight
from model.interruptions import check
from model.network import Net
from model.novelty import FITTED, fit_novelty
from model.train import predict
from model.write_export import write_export
from search.store import checkpoints, location
from search.store.object_store import StoreError, fetched
from search.store.outage import outlasting


def exported(run_dir: Path) -> Path | None:
    """Return the export folder of a run; None if there is none."""
    folder = run_dir / "export"
    return folder if where_it_lies(folder).exists() else None


def exported_source(run_dir: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Return the trial that a run's export came from, and what is wrong with the export; None for either if absent."""
    if exported(run_dir) is None:
        return None, None
    try:
        return read_whole(run_dir / "export").provenance.get("source"), None
    except ExportError as error:
        return None, error.fault


def export_checkpoint(
    run_dir: Path,
    dataset: Dataset,
    hyperparameters: Hyperparameters,
    attributes: dict[str, Any],
    *,
    metrics: dict[str, Any],
    provenance: dict[str, Any],
    warn: Callable[[str], None],
) -> None:
    """Export the newest checkpoint of the trial with these user attributes, calibrated, scored on the test images.

    `dataset` holds the images that the trial was trained on, and in `val` those that are new to its weights: they
    calibrate it. `metrics` are those on the validation images; `provenance` names the trial. The card counts how often
    the run has scored the test images. Raises ConfigError if the checkpoint can't be read, FoldError if its network
    can't be folded.
    """
    place = checkpoints.places(location.checkpoint_store(run_dir), attributes)[0]
    try:
        trained = outlasting(lambda: _trained(place), _interrupted, warn)
    except StoreError:
        raise  # the checkpoint is there all the same
    except (CheckpointError, OSError) as error:
        raise ConfigError(f"the winner's checkpoint is lost: {error}; search again under another --name") from None
    net = fold(trained, dataset.train.images, dataset.mean, dataset.std)
    temperature = fit_temperature(predict(net, dataset.val.images, dataset.mean, dataset.std), dataset.val.labels)
    few = dataset.train.images[:FITTED]
    seen, unseen = (normalise(images, dataset.mean, dataset.std) for images in (few, dataset.val.images))
    answers, labels = predict(net, dataset.test.images, dataset.mean, dataset.std), dataset.test.labels
    probabilities = calibrated(answers, temperature).exp()
    write_export(
        run_dir / "export",
        net.state_dict(),
        hyperparameters,
        classes=list(dataset.classes),
        mean=dataset.mean,
        std=dataset.std,
        temperature=temperature,
        novelty=fit_novelty(net, seen, unseen),
        insight=insight(net, dataset.test.images, labels, probabilities),
        metrics={
            **metrics,
            "test_accuracy": float((answers.argmax(dim=1) == labels).double().mean()),
            "test_ece": calibration_error(probabilities, labels),
            "test_ece_uncalibrated": calibration_error(answers.exp(), labels),
            "test_images": len(dataset.test),
            "test_scorings": _scorings(run_dir) + 1,
        },
        provenance={**provenance, **_provenance(run_dir, dataset, attributes)},
        labels=labels,
        probabilities=probabilities,
    )


def _trained(place: str) -> Net:
    """Return the trained network of the checkpoint at a place."""
    with fetched(place) as folder:
        return load_trained(folder)


def _interrupted() -> bool:
    """Return False. Raises KeyboardInterrupt if a signal asks for an immediate end."""
    check()
    return False


def _scorings(run_dir: Path) -> int:
    """Return how often the run's export says that the test images were scored; one that can't say counts once."""
    if exported(run_dir) is None:
        return 0
    try:
        return int(read_card(run_dir / "export").metrics.get("test_scorings", 1))
    except ExportError:
        return 1


def _provenance(run_dir: Path, dataset: Dataset, attributes: dict[str, Any]) -> dict[str, Any]:
    environment = json.loads((run_dir / "environment.json").read_text(encoding="utf-8"))
    return {
        "run": run_dir.name,
        "dataset": dataset.name,
        "note": FALLBACK_NOTE if dataset.name == FALLBACK else "",
        "training_images": len(dataset.train),
        "calibration_images": len(dataset.val),
        "node": attributes.get("node"),
        "device": attributes.get("device"),
        "versions": environment["versions"],
    }
