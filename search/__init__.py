"""How a model is tuned. From Python and notebooks: `from search import run_search` (docs/python.md)."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported where they are needed, so that the package itself costs nothing
    from search.experiment import Experiment
    from search.store.records import TrialRecord
    from search.winner import Outcome

PATIENCE = 60.0  # seconds that a search has to end tidily


def run_search(
    config: "str | Path | dict[str, Any] | Experiment",
    *,
    trials: int | None = None,
    out: str | Path = "runs",
    name: str | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    address: str | None = None,
    data: str | Path | None = None,
    quiet: bool = False,
    on_trial_end: "Callable[[TrialRecord], None] | None" = None,
) -> "Outcome":
    """Search the hyperparameters that `config` names, confirm the best, export the winner into `out`/`name`.

    `config` is a TOML file, its contents as a dict, or an Experiment; `name` is by default the file's name, else
    "search". `on_trial_end` is called after each trial that ended. The search runs in a process of its own, so that
    nothing of this one is changed and Ray can't end it; a Ray that this process has started is used. Ctrl-C, or a
    kernel's interrupt, ends it tidily (`Outcome.stopped` is "interrupted"), a second one at once; the same call with
    `resume=True` goes on. Raises ConfigError for what the caller can correct, RayGoneError should Ray die.
    """
    from model.files import expanded
    from search.store.folder import folder_of
    from search.winner import Outcome, winner_so_far

    with tempfile.TemporaryDirectory() as folder:
        path = _as_file(config, Path(folder))
        run_dir = folder_of(expanded(out), name or path.stem)
        options = {"--out": out, "--name": run_dir.name, "--trials": trials, "--data": data}
        options["--address"] = address or _address_of_own_ray()
        # -P: a model.py or search.py in the working directory is not ours.
        line = [sys.executable, "-P", "-m", "search", "run", f"--parent={os.getpid()}"]
        line += [f"{option}={value}" for option, value in options.items() if value is not None]
        line += ["--resume"] * resume + ["--retry-failed"] * retry_failed + ["--quiet"] * quiet
        ended = _search_in_child([*line, "--", str(path)], on_trial_end)
    return Outcome(run_dir, ended["stopped"], winner_so_far(run_dir), ended["export"] and Path(ended["export"]))


def _as_file(config: "str | Path | dict[str, Any] | Experiment", folder: Path) -> Path:
    """Return the configuration as a TOML file, written into `folder` if it is none yet. Raises ConfigError."""
    if isinstance(config, str | Path):
        from model.files import expanded

        return expanded(config)
    import tomli_w

    from search.experiment import parse_experiment

    experiment = parse_experiment(config) if isinstance(config, dict) else config
    path = folder / "search.toml"
    path.write_text(tomli_w.dumps(experiment.model_dump(exclude_none=True, exclude_defaults=True)), encoding="utf-8")
    return path


def _address_of_own_ray() -> str | None:
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().gcs_address) if ray is not None and ray.is_initialized() else None


def _search_in_child(line: list[str], on_trial_end: "Callable[[TrialRecord], None] | None") -> dict[str, Any]:
    """Return how the search that the command `line` starts ended. Raises ConfigError or RayGoneError."""
    from model.errors import ConfigError, RayGoneError
    from search.progress.notebook import shown_in_notebook
    from search.store.records import TrialRecord

    end: dict[str, Any] = {}
    show = shown_in_notebook()
    with tempfile.TemporaryFile("w+", errors="replace") as errors, _started(line, errors) as child:
        for event in _events(child):
            match event:
                case {"line": text}:
                    print(text)
                case {"warning": text}:
                    print(text, file=sys.stderr)
                case {"status": status}:
                    show(status)
                case {"trial": trial} if on_trial_end:
                    on_trial_end(TrialRecord(**trial))
                case {"outcome": _} | {"gone": _}:
                    end = event  # its last lines follow
        code = child.wait(PATIENCE)
        errors.seek(0)
        lines = errors.read().splitlines() or ["it said nothing"]
    if "outcome" in end:
        return dict(end["outcome"])
    if "gone" in end:
        raise RayGoneError(end["gone"])
    if code in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    if code == 2:
        raise ConfigError(lines[-1].removeprefix("error: "))
    # Ray may end a process before anything of ours notices that it is gone; a traceback is another matter.
    died = RuntimeError if any(line.startswith("Traceback") for line in lines) else RayGoneError
    raise died(f"the process of the search ended with exit code {code}: {lines[-1]}")


@contextmanager
def _started(line: list[str], errors: IO[str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a search, and have it end tidily if it still runs at the end."""
    places = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        start_new_session=True,  # a terminal's Ctrl-C comes to this process alone, which passes it on
    )
    try:
        with _passing_on_interrupts(child):
            yield child
    except KeyboardInterrupt:
        raise  # it was passed on
    except BaseException:
        child.terminate()
        raise
    finally:
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _passing_on_interrupts(child: "subprocess.Popen[str]") -> Iterator[None]:
    """Pass Ctrl-C on to the search, which ends tidily; a second one is raised here too. In the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = threading.Event()

    def on_signal(_number: int, _frame: Any) -> None:
        child.send_signal(signal.SIGINT)
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _events(child: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    """Yield what the search reports until it ends."""
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            yield json.loads(line)
