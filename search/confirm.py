"""Is the winner really the winner? The best trials again on fresh seeds, then the export of the best checkpoint."""

import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from model.card import ExportError, read_whole, where_it_lies
from model.catalogue import FALLBACK, FALLBACK_NOTE
from model.data import Dataset
from model.errors import ConfigError
from search.experiment import Experiment
from search.on_ray.slots import cluster_nodes
from search.on_ray.tuner import Engine, run_stage, worker_data
from search.space import complete
from search.stage import Stage
from search.store import checkpoints as states
from search.store import study
from search.store.database import RunStorage

OVERTAKEN = "another trial won meanwhile"


@dataclass(frozen=True)
class Winner:
    """The candidate of highest mean validation accuracy over its fresh seeds, and the run whose state is exported.

    Without confirmation `accuracies` holds the search trial's own value alone, and `run` is that trial.
    """

    candidate: int
    accuracies: tuple[float, ...]
    run: FrozenTrial
    study_name: str

    @property
    def mean(self) -> float:
        return statistics.fmean(self.accuracies)


def confirm(engine: Engine, experiment: Experiment, storage: RunStorage) -> None:
    """Train the best trials of the search again on fresh seeds. Raises StoppedError."""
    runs = study.open_study(storage, study.CONFIRM)
    for params, attributes in _missing(study.open_study(storage, study.SEARCH), runs, experiment):
        runs.enqueue_trial(params, user_attrs=attributes)
    to_do = study.audit(runs, 0).to_do
    if to_do:
        engine.progress.say(f"confirmation: the best trials again on fresh seeds, {to_do} runs")
        run_stage(engine, _stage(engine, experiment, runs))


def winner_of(storage: RunStorage) -> Winner | None:
    """The best candidate by mean over its confirmation runs, else the best trial; None if no trial is complete."""
    runs = study.best_trials(study.open_study(storage, study.CONFIRM))
    best = study.best_trials(study.open_study(storage, study.SEARCH), 1)
    if not runs:
        return Winner(best[0].number, (best[0].value or 0.0,), best[0], study.SEARCH) if best else None
    by_candidate: dict[int, list[FrozenTrial]] = {}
    for run in runs:
        by_candidate.setdefault(run.user_attrs["candidate"], []).append(run)
    winners = [
        Winner(candidate, tuple(run.value or 0.0 for run in of_candidate), of_candidate[0], study.CONFIRM)
        for candidate, of_candidate in by_candidate.items()
    ]
    return max(winners, key=lambda winner: (winner.mean, -winner.candidate))


def exported(run_dir: Path) -> Path | None:
    """The export folder of a run, if there is one."""
    folder = run_dir / "export"
    return folder if where_it_lies(folder).exists() else None


def is_settled(run_dir: Path, experiment: Experiment, storage: RunStorage) -> bool:
    """Whether nothing is left to confirm or export for the trials that are done. A damaged export is not settled."""
    runs = study.open_study(storage, study.CONFIRM)
    if _missing(study.open_study(storage, study.SEARCH), runs, experiment) or study.audit(runs, 0).to_do:
        return False
    winner = winner_of(storage)
    return winner is None or _there(run_dir)[0] == _wanted(winner, _to_refit(experiment, storage, winner))


def export_winner(engine: Engine, experiment: Experiment, storage: RunStorage, dataset: Dataset) -> None:
    """Export the winner, if there is one, scored once on the test images. Raises StoppedError.

    An export of the same run is left as it is: the test images are not scored a second time, unless it is damaged.
    """
    winner = winner_of(storage)
    source, fault = _there(engine.run_dir)
    if winner is None or source == _wanted(winner, _to_refit(experiment, storage, winner)):
        return
    if fault:
        engine.progress.warn(f"{fault}; the export is written again from the winner's training state")
    run = winner.run
    if _to_refit(experiment, storage, winner):
        run = _refit(engine, experiment, storage, dataset, winner) or run
    _write(engine, experiment, dataset, winner, run)
    for name in (study.CONFIRM, study.REFIT):
        for other in study.best_trials(study.open_study(storage, name)):
            if other._trial_id not in (winner.run._trial_id, run._trial_id):
                states.delete(engine.run_dir, other.user_attrs)


def _missing(
    searched: optuna.Study, runs: optuna.Study, experiment: Experiment
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Parameters and attributes of the runs that each candidate should have and that are not even in line."""
    there = [trial.user_attrs for trial in runs.get_trials(deepcopy=False)]
    known = {(attributes["candidate"], attributes["run"]) for attributes in there}
    return [
        (trial.params, {"candidate": trial.number, "run": run})
        for trial in study.best_trials(searched, experiment.confirm.top)
        for run in range(1, experiment.confirm.seeds + 1)
        if (trial.number, run) not in known
    ]


def _stage(engine: Engine, experiment: Experiment, of_stage: optuna.Study) -> Stage:
    """A stage without sampler and pruner: it works off what is in line, each run to its last epoch."""
    return Stage(
        engine.run_dir,
        of_stage,
        experiment.space,
        experiment.search.model_copy(update={"pruner": "none"}),
        trials=0,
        cpus=experiment.resources.cpus_per_trial,
        trial_timeout=experiment.resources.trial_timeout,
        max_consecutive_failures=experiment.resources.max_consecutive_failures,
    )


def _refit(
    engine: Engine, experiment: Experiment, storage: RunStorage, dataset: Dataset, winner: Winner
) -> FrozenTrial | None:
    """The winner once more on all training images; None if that run failed. Raises StoppedError.

    Its validation accuracy is over images that it has seen, so no number of it is ever reported as one.
    """
    refits = study.open_study(storage, study.REFIT)
    for trial in refits.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        if trial.user_attrs["candidate"] != winner.candidate:
            study.finish(refits, trial._trial_id, TrialState.FAIL, OVERTAKEN)
    if _refit_of(refits, winner) is None:
        if not study.audit(refits, 0).to_do:
            refits.enqueue_trial(winner.run.params, user_attrs={"candidate": winner.candidate, "refit": True})
        whole = dataset.for_refit()
        engine.progress.say(f"refit: trial {winner.candidate} again on all {len(whole.train):,} images")
        # One run has the machine to itself: on CPUs it takes all of the largest node, and no limit of one among many.
        nodes = cluster_nodes()
        cpus = experiment.resources.cpus_per_trial if any(n.gpus for n in nodes) else max(n.cpus for n in nodes)
        stage = replace(_stage(engine, experiment, refits), cpus=cpus, trial_timeout=None)
        stage = replace(stage, max_consecutive_failures=None)  # its failure has an answer: the confirmed run
        with_all = replace(engine, data=worker_data(whole, engine.data["token"] + " refit"))
        run_stage(with_all, stage)
    done = _refit_of(refits, winner)
    if done is None:
        engine.progress.warn("the refit failed: the best confirmed run is exported instead")
    return done


def _to_refit(experiment: Experiment, storage: RunStorage, winner: Winner) -> bool:
    """Whether to export a refit of the winner: asked for, and not tried in vain before."""
    refits = study.open_study(storage, study.REFIT)
    failed = refits.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    in_vain = any(t.user_attrs["candidate"] == winner.candidate and t.user_attrs["error"] != OVERTAKEN for t in failed)
    return experiment.export.refit and not in_vain


def _refit_of(refits: optuna.Study, winner: Winner) -> FrozenTrial | None:
    return next((t for t in study.best_trials(refits) if t.user_attrs["candidate"] == winner.candidate), None)


def _wanted(winner: Winner, refit: bool) -> dict[str, Any]:
    """What identifies an export: the run that it came from."""
    return {
        "candidate": winner.candidate,
        "study": winner.study_name,
        "run": winner.run.number,
        "refit": refit,
    }


def _there(run_dir: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The same of the export that is there, and what is wrong with it."""
    if exported(run_dir) is None:
        return None, None
    try:
        return read_whole(run_dir / "export").provenance.get("source"), None
    except ExportError as error:
        return None, error.fault


def _write(engine: Engine, experiment: Experiment, dataset: Dataset, winner: Winner, run: FrozenTrial) -> None:
    import torch

    from model.checkpoint import CheckpointError, load
    from model.export import write_export
    from model.train import predict

    try:
        state = load(engine.run_dir / run.user_attrs[states.NEWEST]["place"], torch.device("cpu"))
    except CheckpointError as error:
        raise ConfigError(f"the winner's training state is lost: {error}; search again under another --name") from None
    probabilities = predict(state.net, dataset.test.images, dataset.mean, dataset.std).exp()
    correct = (probabilities.argmax(dim=1) == dataset.test.labels).double().mean()
    refit = "refit" in run.user_attrs
    metrics = {
        "val_accuracy": winner.mean if refit else run.value,
        "val_accuracy_of": f"mean of {len(winner.accuracies)} runs before the refit" if refit else "the exported run",
        "test_accuracy": float(correct),
        "test_images": len(dataset.test),
        "confirmation": list(winner.accuracies) if winner.study_name == study.CONFIRM else [],
    }
    provenance = {
        "run": engine.run_dir.name,
        "source": _wanted(winner, refit),
        "dataset": dataset.name,
        "note": FALLBACK_NOTE if dataset.name == FALLBACK else "",
        "training_images": len((dataset.for_refit() if refit else dataset).train),
        "node": run.user_attrs.get("node"),
        "device": run.user_attrs.get("device"),
        "versions": json.loads((engine.run_dir / "environment.json").read_text(encoding="utf-8"))["versions"],
    }
    write_export(
        engine.run_dir / "export",
        state.net.state_dict(),
        complete(experiment.space, run.params),
        classes=list(dataset.classes),
        mean=dataset.mean,
        std=dataset.std,
        metrics=metrics,
        provenance=provenance,
        labels=dataset.test.labels,
        probabilities=probabilities,
    )


if __name__ == "__main__":
    from search.__main__ import confirm_main

    confirm_main()
