"""Is the winner really the winner? The best trials again on fresh seeds, then the export of the best checkpoint."""

import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from model.catalogue import FALLBACK, FALLBACK_NOTE
from model.data import Dataset
from search import study
from search.cluster import cluster_nodes
from search.engine import Engine, run_stage, worker_data
from search.experiment import Experiment
from search.ledger import Stage, delete_state
from search.space import complete


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


def confirm(engine: Engine, experiment: Experiment, storage: RDBStorage) -> bool:
    """Train the best trials of the search again on fresh seeds; False if the person interrupted."""
    runs = study.open_study(storage, study.CONFIRM)
    _enqueue(study.open_study(storage, study.SEARCH), runs, experiment)
    to_do = study.audit(runs, 0).to_do
    if not to_do:
        return True
    engine.progress.say(f"confirmation: the best trials again on fresh seeds, {to_do} runs")
    return not run_stage(engine, _stage(experiment, runs)).interrupted


def winner_of(storage: RDBStorage) -> Winner | None:
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
    return folder if (folder / "model.json").exists() else None


def is_settled(run_dir: Path, experiment: Experiment, storage: RDBStorage) -> bool:
    """Whether nothing is left to confirm or export for the trials that are done."""
    runs = study.open_study(storage, study.CONFIRM)
    _enqueue(study.open_study(storage, study.SEARCH), runs, experiment)
    winner = winner_of(storage)
    return not study.audit(runs, 0).to_do and (winner is None or _source(run_dir) == _wanted(winner, experiment))


def export_winner(engine: Engine, experiment: Experiment, storage: RDBStorage, dataset: Dataset) -> Path | None:
    """Export the winner, scored once on the test images; None if there is none or the person interrupted.

    An export of the same run is left as it is: the test images are not scored a second time.
    """
    winner = winner_of(storage)
    if winner is None:
        return None
    if _source(engine.run_dir) != _wanted(winner, experiment):
        refit = _refit(engine, experiment, storage, dataset, winner) if experiment.export.refit else winner.run
        if refit is None:
            return None
        _write(engine, experiment, dataset, winner, refit)
        for other in study.best_trials(study.open_study(storage, study.CONFIRM)):
            if other._trial_id != winner.run._trial_id:
                delete_state(other.user_attrs["saved_state"])
    return engine.run_dir / "export"


def _enqueue(searched: optuna.Study, runs: optuna.Study, experiment: Experiment) -> None:
    """Put the runs that are still missing of each candidate in line; asking twice changes nothing."""
    there = [
        (trial.system_attrs.get("fixed_params"), trial.user_attrs.get("candidate"), trial.user_attrs.get("run"))
        for trial in runs.get_trials(deepcopy=False)
    ]
    known = {(candidate, run) for _, candidate, run in there}
    for trial in study.best_trials(searched, experiment.confirm.top):
        for run in range(1, experiment.confirm.seeds + 1):
            if (trial.number, run) not in known:
                runs.enqueue_trial(trial.params, user_attrs={"candidate": trial.number, "run": run})


def _stage(experiment: Experiment, of_stage: optuna.Study, cpus: int | None = None) -> Stage:
    """A stage without sampler and pruner: it works off what is in line, each run to its last epoch."""
    return Stage(
        of_stage,
        experiment.space,
        experiment.search.model_copy(update={"pruner": "none"}),
        trials=0,
        cpus=cpus or experiment.resources.cpus_per_trial,
        trial_timeout=experiment.resources.trial_timeout if cpus is None else None,
    )


def _refit(
    engine: Engine, experiment: Experiment, storage: RDBStorage, dataset: Dataset, winner: Winner
) -> FrozenTrial | None:
    """The winner once more on training plus validation images; None if interrupted or failed.

    Its validation accuracy is over images that it has seen, so no number of it is ever reported as one.
    """
    refits = study.open_study(storage, study.REFIT)
    mine = [trial for trial in refits.get_trials() if trial.user_attrs.get("candidate") == winner.candidate]
    if not any(trial.state in (TrialState.COMPLETE, TrialState.WAITING) for trial in mine):
        refits.enqueue_trial(winner.run.params, user_attrs={"candidate": winner.candidate, "refit": True})
    if study.audit(refits, 0).to_do:
        whole = dataset.for_refit()
        engine.progress.say(f"refit: trial {winner.candidate} again on all {len(whole.train):,} images")
        # One run has the machine to itself, so on CPUs it takes all of the largest node.
        nodes = cluster_nodes()
        alone = None if any(node.gpus for node in nodes) else max(node.cpus for node in nodes)
        run_stage(
            replace(engine, data=worker_data(whole, engine.data["token"] + " refit")),
            _stage(experiment, refits, cpus=alone),
        )
    done = [trial for trial in study.best_trials(refits) if trial.user_attrs["candidate"] == winner.candidate]
    return done[0] if done else None


def _wanted(winner: Winner, experiment: Experiment) -> dict[str, Any]:
    """What identifies an export: the run that it came from."""
    return {
        "candidate": winner.candidate,
        "study": winner.study_name,
        "run": winner.run.number,
        "refit": experiment.export.refit,
    }


def _source(run_dir: Path) -> dict[str, Any] | None:
    """The same of the export that is there."""
    try:
        card = json.loads((run_dir / "export" / "model.json").read_text(encoding="utf-8"))
        return dict(card["provenance"]["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(engine: Engine, experiment: Experiment, dataset: Dataset, winner: Winner, run: FrozenTrial) -> None:
    import torch

    from model.checkpoint import load
    from model.export import write_export
    from model.train import predict

    state = load(Path(run.user_attrs["saved_state"]), torch.device("cpu"))
    probabilities = predict(state.net, dataset.test.images, dataset.mean, dataset.std).exp()
    correct = (probabilities.argmax(dim=1) == dataset.test.labels).double().mean()
    refit = experiment.export.refit
    metrics = {
        "val_accuracy": winner.mean if refit else run.value,
        "val_accuracy_of": f"mean of {len(winner.accuracies)} runs before the refit" if refit else "the exported run",
        "test_accuracy": float(correct),
        "test_images": len(dataset.test),
        "confirmation": list(winner.accuracies) if winner.study_name == study.CONFIRM else [],
    }
    provenance = {
        "run": engine.run_dir.name,
        "source": _wanted(winner, experiment),
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
