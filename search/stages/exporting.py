"""The last stage: the winner, or what a person picked, exported and scored on the test images."""

from typing import Any

from model.errors import ConfigError
from search.space import complete
from search.stages.confirming import is_confirmed
from search.stages.refitting import HELD_BACK, no_refit, refit, refit_of, wants_refit
from search.stages.running import Engine, Run
from search.store import checkpoints
from search.store.export import export_checkpoint, exported_source
from search.store.study import CONFIRM, PICKED, REFIT, SEARCH
from search.winner import Winner, chosen


def export(run: Run, engine: Engine, pick: int | None = None) -> None:
    """Export the winner, if there is one, or the trial `pick`, scored on the test images. Raises StoppedError.

    An export of the same run is left as it is: the test images are not scored again for it, unless it is damaged.
    Raises ConfigError where no run of the trial `pick` on a fresh seed is complete and has its checkpoint.
    """
    winner = chosen(run.run_dir, pick)
    if winner is None and pick is not None:
        raise ConfigError(f"--pick {pick}: no run of it on a fresh seed is complete; pick another trial")
    source, fault = exported_source(run.run_dir)
    if winner is None or source == _source(winner, wants_refit(run, winner)):
        return
    if fault:
        run.progress.warn(f"{fault}; the export is written again from the winner's checkpoint")
    if wants_refit(run, winner) and refit_of(run, winner) is None:
        refit(run, engine, winner)
    if reason := no_refit(run, winner):
        run.progress.warn(reason)
    run.progress.say(f"export: scoring trial {winner.candidate} on the test images")
    _write_export(run, winner)
    for name in (CONFIRM, PICKED, REFIT):
        checkpoints.keep_best_of_each(run.checkpoints, run.study(name))


def is_settled(run: Run, pick: int | None = None) -> bool:
    """Return whether nothing is left to confirm or export for the trials that are done; a damaged export is."""
    if not is_confirmed(run):
        return False
    winner = chosen(run.run_dir, pick)
    if winner is None:
        return pick is None
    return exported_source(run.run_dir)[0] == _source(winner, wants_refit(run, winner))


def _source(winner: Winner, refit: bool) -> dict[str, Any]:
    """Return what identifies an export: the run that it came from."""
    source = {"candidate": winner.candidate, "study": winner.study, "run": winner.run.number, "refit": refit}
    return {**source, "picked": True} if winner.picked else source


def _write_export(run: Run, winner: Winner) -> None:
    refitted, data = None, run.dataset
    if wants_refit(run, winner):
        refitted = refit_of(run, winner)
    if refitted:
        data = run.dataset.for_refit(hold_back=HELD_BACK in refitted.user_attrs)
    # Without a refit the export is calibrated on all validation images. Its weights have not seen them, but it was
    # chosen by its accuracy on them, which leaves a little optimism.
    export_checkpoint(
        run.run_dir,
        data,
        complete(run.experiment.space, winner.run.params),
        refitted.user_attrs if refitted else winner.run.attributes,
        metrics={
            "val_accuracy": winner.mean,  # not the exported run's own, which is the luckiest
            "val_accuracy_of": winner.mean_of + ", before the refit" * (refitted is not None),
            "confirmation": [] if winner.study == SEARCH else list(winner.accuracies),
        },
        provenance={"source": _source(winner, refit=refitted is not None), "no_refit": no_refit(run, winner)},
        warn=run.progress.warn,
    )
