"""What is said before the first stage: where the search runs, on which images, what it begins with or goes on from."""

from model.catalogue import FALLBACK, FALLBACK_NOTE
from model.hyperparameters import PLANNED_SCHEDULES, RECIPE
from search.experiment import Experiment
from search.space import Space, left_at_default, recipe_differences
from search.stages.running import Engine, Run
from search.store.study import Audit


def announce(run: Run, found: Audit, engine: Engine) -> None:
    """Say where the search runs, on which images, and what it begins with or goes on from."""
    say, data = run.progress.say, run.dataset
    where = "no GPU: training on the CPU"
    if engine.gpus:
        where = f"{engine.gpus} GPU{_s(engine.gpus)}, up to {engine.per_gpu} trials on each"
    if run.precision != "float32":
        where += f", in {run.precision}"
    say(f"{engine.machines} machine{_s(engine.machines)}, {engine.cpus} CPU{_s(engine.cpus)}, {where}")
    if data.name == FALLBACK:
        run.progress.result(f"NOTE: {run.experiment.data.dataset} is unavailable: {FALLBACK_NOTE}.")
    say(
        f"data: {data.name}, {len(data.train):,} training, {len(data.val):,} validation, {len(data.test):,} test images"
    )
    if line := _grouping(run.experiment):
        say(line)
    if found.kept or found.continued or found.restarted:
        say(
            f"resumed: {found.kept} trials kept, {found.continued} continued from a checkpoint, "
            f"{found.restarted} restarted, {found.to_do} to do"
        )
    elif run.experiment.search.recipe_first and run.experiment.space.searched:
        say(_first_trial(run.experiment.space))


def _grouping(experiment: Experiment) -> str | None:
    """Return a line where trials of different lengths are not compared before their ends; None where they are."""
    searched, fixed = experiment.space.searched, experiment.space.fixed
    schedules = getattr(searched.get("schedule"), "choices", (fixed.get("schedule"),))
    planned = [schedule for schedule in schedules if schedule in PLANNED_SCHEDULES]
    if experiment.search.pruner == "none" or "epochs" not in searched or not planned:
        return None
    return (
        f"trials of different epochs are not compared before their ends with schedule {' or '.join(planned)}, so that "
        "few are stopped early: fix epochs, or use another schedule, to stop more"
    )


def warn_of_learning_rates(run: Run, searching: bool) -> None:
    """Warn where a search, or the recipe that its best are compared with, has another optimizer's learning rate."""
    space, recipe = run.experiment.space, run.experiment.recipe_differences
    warnings = [left_at_default({**RECIPE.model_dump(), **(recipe or {})}, "confirm.recipe.")]
    if searching:
        warnings.append(left_at_default(space.fixed, "hyperparameters."))
    for warning in filter(None, warnings):
        run.progress.warn(warning)


def _s(number: int) -> str:
    """Return the ending of a noun's plural, "" for one."""
    return "s" * (number != 1)


def _first_trial(space: Space) -> str:
    """Return what trial 0 is: the article's recipe, as far as the space holds it, and the priors."""
    differing = recipe_differences(space)
    if "optimizer" in differing:  # then the recipe is another one in all but the sizes of its layers
        return "trial 0 is a guess: the priors, or else what is nearest to the article's recipe"
    prior = dict.fromkeys(space.priors, " (its prior)")
    words = ", ".join(
        f"{name} {value}{prior.get(name, '')} instead of {recipe}" for name, (recipe, value) in differing.items()
    )
    return "trial 0 is the article's recipe" + (f", but for {words}" if words else "")
