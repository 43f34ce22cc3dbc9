"""How a command ends: its report, its last lines, its exit code, and what is said when Ray dies."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from model.errors import summary

if TYPE_CHECKING:
    from search.progress import Progress
    from search.winner import Outcome


@contextmanager
def reported(run_dir: Path, progress: "Progress", again: str) -> Iterator[None]:
    """Write the report however the search in the body ends, unless it was refused; `again` is what resumes it."""
    from model.errors import ConfigError

    try:
        yield
    except KeyboardInterrupt:
        progress.warn("stopped at once")
        report(run_dir, progress)
        progress.result(f"interrupted; go on with: {again}")
        raise typer.Exit(130) from None
    except (ConfigError, PermissionError):
        raise  # the folder may be closed to a report too
    except BaseException:
        report(run_dir, progress)
        raise
    report(run_dir, progress)


def conclude(outcome: "Outcome", progress: "Progress", again: str, retry: str) -> int:
    """Say how the run ended and where everything is; return the exit code.

    `again` is what resumes it, and `retry` what tries again what failed too.
    """
    progress.ended(outcome)
    nothing, worth = _findings(outcome.run_dir)
    if outcome.failures:
        _say({"failed": f"{outcome.failures.words}; try again what failed with: {retry}"}, progress)
    _say(nothing, progress)
    if outcome.stopped is not None:
        progress.result(f"{outcome.stopped}; go on with: {again}")
        return 130 if outcome.stopped == "interrupted" else 1
    if outcome.export is None:
        progress.result("no trial was complete, so nothing was exported; the report says why trials ended")
        return 1
    if not nothing:
        progress.result(scores(outcome.export))
    _say({**worth, "model": str(outcome.export)}, progress)
    if not nothing:  # else there is nothing that could classify
        progress.result(f"classify  python classify_image.py IMAGE... --model {outcome.export}")
    return 0


def _findings(run_dir: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return that nothing was learned, if so, and what the search was worth, in the words of the report by labels."""
    with suppress(Exception):  # that the run can't be read was said of the report
        from analysis.tables.run import read_run
        from analysis.words.learned import nothing_learned
        from analysis.words.worth import worth

        run = read_run(run_dir)
        return nothing_learned(run), worth(run)
    return {}, {}


def _say(answers: dict[str, str], progress: "Progress") -> None:
    for label, words in answers.items():
        progress.result(f"{label:9} {words}")


def last_words(run_dir: Path, progress: "Progress", again: str) -> Callable[[str], None]:
    """Return the callback for Ray's death, after which this process ends; its argument names the missing part."""

    def on_gone(missing: str) -> None:
        progress.end()
        progress.ray_is_gone(f"Ray is gone: {missing} no longer answers; no trial is lost")
        progress.result(f"go on with: {again}")  # first of all: Ray may end this process at any moment
        report(run_dir, progress)
        progress.close()

    return on_gone


def ended_at_once(progress: "Progress", again: str) -> Callable[[], None]:
    """Return what is said where the command is ended before it could end by itself."""

    def say() -> None:
        progress.warn("stopped at once, without a report")
        progress.result(f"interrupted; go on with: {again}")
        progress.close()

    return say


def this_command(more: list[str]) -> str:
    """Return this very command, with the options `more`."""
    missing = [option for option in more if option not in sys.argv]
    return shlex.join(["python", "-m", "search", *sys.argv[1:], *missing])


def report(run_dir: Path, progress: "Progress") -> None:
    """Write the report; a report that can't be written must not hide how the search ended."""
    from search.store.location import is_run

    try:
        if is_run(run_dir):
            progress.say("report: making its tables and figures")
            from analysis.report import write_report  # imports matplotlib, which may fail too

            progress.result(f"report    {write_report([run_dir])}")
    except Exception as error:
        progress.warn(f"no report: {summary(error)}; try: python -m analysis {shlex.quote(str(run_dir))}")


def scores(export: Path) -> str:
    """Return the line on the exported winner: what it reached on which images."""
    from analysis.numbers.wording import scored
    from model.card import read_card

    card = read_card(export)
    metrics, provenance = card.metrics, card.provenance
    validation = f"validation {metrics['val_accuracy']:.2%} ({metrics['val_accuracy_of']})"
    test = f"test {metrics['test_accuracy']:.2%} of {metrics['test_images']:,} images of {provenance['dataset']}"
    test += f", {scored(metrics.get('test_scorings'))}"
    label = "picked" if provenance["source"].get("picked") else "winner"
    return f"{label:9} trial {provenance['source']['candidate']}: {validation}, {test}"
