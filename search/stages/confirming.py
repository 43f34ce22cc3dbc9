"""The second stage: the best trials again on fresh seeds, beside the recipe; and a trial that a person picked."""

from typing import Any

from search.decisions import race_on, unqueued
from search.stages.running import Engine, Run, run_stage
from search.store.candidates import attributes_of, candidates_of, next_round
from search.store.records import read_trials
from search.store.study import CONFIRM, PICKED, SEARCH
from search.winner import chosen, failures


def confirm(run: Run, engine: Engine) -> None:
    """Train the best trials of the search again on fresh seeds, beside the recipe, and tell of runs that failed.

    Raises StoppedError.
    """
    stage, plan = run.stage(CONFIRM, most_seeds=_most_seeds(run)), run.experiment.confirm
    with stage.study.event():
        for params, attributes in _unqueued(run):
            stage.study.enqueue(params, **attributes)
    if not stage.study.audit().to_do:
        race_on(stage)
    if to_do := stage.study.audit().to_do:
        beside = "" if plan.recipe is None else " beside the article's recipe"
        up_to = f", and up to {_most_seeds(run)} seeds for those that lead" if _most_seeds(run) > plan.seeds else ""
        which = "the best trials" if run.study(SEARCH).best(1) else "as none is complete, the trials trained longest,"
        run.progress.say(f"confirmation: {which} again on fresh seeds{beside}, {to_do} runs{up_to}")
        run_stage(run, engine, stage)
    for sentence in failures(read_trials(run.run_dir, SEARCH), read_trials(run.run_dir, CONFIRM)):
        run.progress.warn(sentence)


def train_picked(run: Run, engine: Engine, number: int) -> None:
    """Train a trial that a person picked on the fresh seeds, unless the confirmation did. Raises StoppedError."""
    if chosen(run.run_dir, number):
        return
    stage, trial = run.stage(PICKED), run.study(SEARCH).trial(number)
    known = {(repeat.user_attrs["candidate"], repeat.user_attrs["run"]) for repeat in stage.study.trials()}
    with stage.study.event():
        for seed in range(1, run.experiment.confirm.seeds + 1):
            if (number, seed) not in known:
                stage.study.enqueue(trial.params, **attributes_of(number, seed))
    if to_do := stage.study.audit().to_do:
        run.progress.say(f"trial {number}, which was picked, again on fresh seeds, {to_do} runs")
        run_stage(run, engine, stage)


def is_confirmed(run: Run) -> bool:
    """Return whether the best trials that are there now have had all their runs, and their race is over."""
    if _unqueued(run) or run.study(CONFIRM).audit().to_do:
        return False
    return not next_round(candidates_of(read_trials(run.run_dir, CONFIRM)), _most_seeds(run))


def _most_seeds(run: Run) -> int:
    return run.experiment.confirm.most_seeds or run.experiment.confirm.seeds


def _unqueued(run: Run) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return parameters and attributes of the runs that the confirmation should begin with and that are not queued.

    Where time was up before any trial was complete, those that were trained longest are confirmed: a confirmation's
    runs train to their end.
    """
    plan, searched = run.experiment.confirm, run.study(SEARCH)
    best = searched.best(plan.top) or searched.furthest(plan.top)
    return unqueued(run.study(CONFIRM).trials(), best, plan.seeds, run.experiment.recipe_differences)
