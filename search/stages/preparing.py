"""What is put in line before the first stage: listed points, an earlier run's best, new ends of ranges, what failed."""

from typing import Any

from optuna.trial import TrialState

from model.errors import ConfigError
from model.files import expanded
from search.space import fits, new_ends
from search.stages.running import Run
from search.stages.searching import search_stage
from search.store.failures import GIVEN_UP
from search.store.folder import write_resolved
from search.store.study import CONFIRM, PICKED, REFIT, SEARCH, STUDIES, Audit, StoredStudy
from search.winner import best_points

STARTERS = 3  # trials of an earlier run that a search starts from


def prepare(run: Run, searching: bool) -> Audit:
    """Hand back what a killed driver left running, put the listed points in line; return what the search holds."""
    for name in STUDIES:
        run.study(name).requeue_interrupted()
    study = run.study(SEARCH)
    if searching:
        points = run.experiment.first_points[len(study.trials()) :]  # also those that a kill left out
        points += _points_at_new_ends(run, study) if study.trials() else _earlier_points(run)
        if points and study.trials():  # the ranges that they lie in, before they do: a narrower one is refused then
            write_resolved(run.run_dir, run.experiment, run.dataset, run.digest)
        with study.event():
            for point in points:
                study.enqueue(point)
    return search_stage(run).audit()


def retry_failed_trials(run: Run, searching: bool) -> None:
    """Put what failed back in line, in each stage that is to run."""
    words = {SEARCH: "trials", CONFIRM: "confirmation runs", REFIT: "refits", PICKED: "runs of picked trials"}
    for name in STUDIES if searching else STUDIES[1:]:
        if count := run.study(name).retry_failed(GIVEN_UP):
            run.progress.say(f"{count} failed {words[name]} are tried again")


def check_pick(run: Run, number: int) -> None:
    """Raise ConfigError unless the trial `number` is a complete one of the search."""
    trials = run.study(SEARCH).trials()
    if not 0 <= number < len(trials):
        raise ConfigError(f"--pick {number}: no such trial; the search has {len(trials)}, numbered from 0")
    if trials[number].state != TrialState.COMPLETE:
        best = ", ".join(str(trial.number) for trial in run.study(SEARCH).best(5)) or "none"
        raise ConfigError(f"--pick {number}: did not run to its end; pick a complete trial (the best are {best})")


def _earlier_points(run: Run) -> list[dict[str, Any]]:
    """Return the best points of the run that the search starts from; none where it starts from no run."""
    search, first = run.experiment.search, run.experiment.first_points
    if search.start_from is None:
        return []
    points = best_points(expanded(search.start_from), run.experiment.space)
    points = [point for point in points if point not in first][: min(STARTERS, search.trials - len(first))]
    run.progress.say(f"{len(points)} of the best trials of {search.start_from} come first")
    return points


def _points_at_new_ends(run: Run, study: StoredStudy) -> list[dict[str, Any]]:
    """Return the best trial's point at each end of a range that is wider now than that from which it was drawn.

    A person makes a range wider where the best lie at its end, so what lies beyond is tried first. An end at which a
    trial lies, or waits, has been tried: so the answer depends on the study alone, and each end comes once.
    """
    points: list[dict[str, Any]] = []
    tried = [trial.system_attrs.get("fixed_params", trial.params) for trial in study.trials()]
    for best in study.best(1):
        for name, value in new_ends(best.distributions, run.experiment.space):
            if not any(params.get(name) == value for params in tried):
                points.append({**best.params, name: value})
    points = [point for point in points if fits(run.experiment.space, point)]
    return points[: max(run.experiment.search.trials - len(tried), 0)]
