"""How a model is tuned. From Python and notebooks: `from search import run_search` (docs/python.md)."""

import json
import os
import queue
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
    from search.winner import outcome_of

    with tempfile.TemporaryDirectory() as folder:
        path = _as_file(config, Path(folder))
        run_dir = folder_of(expanded(out), name or path.stem)
        options = {"--out": out, "--name": run_dir.name, "--trials": trials}
        options |= {"--data": data and expanded(data)}
        options["--address"] = address or _address_of_own_ray()
        words = [f"{option}={value}" for option, value in options.items() if value is not None]
        words += ["--resume"] * resume + ["--retry-failed"] * retry_failed + ["--quiet"] * quiet
        ended = _search_in_child([*words, "--", str(path)], on_trial_end)
    return outcome_of(run_dir, ended["stopped"], ended["export"] and Path(ended["export"]))


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


def _search_in_child(words: list[str], on_trial_end: "Callable[[TrialRecord], None] | None") -> dict[str, Any]:
    """Return how the search that `search run` with these words starts ended. Raises ConfigError or RayGoneError."""
    from model.errors import ConfigError, RayGoneError
    from search.progress.notebook import shown_in_notebook
    from search.store.records import TrialRecord

    began, told = False, dict[str, Any]()  # what the search itself said of its end
    show = shown_in_notebook()
    with tempfile.TemporaryFile("w+", errors="replace") as printed, _started(words, printed) as (child, events):
        for event in events:
            began = True
            match event:
                case {"line": text}:
                    print(text)
                case {"warning": text}:
                    print(text, file=sys.stderr)
                case {"status": status}:
                    show(status)
                case {"trial": trial} if on_trial_end:
                    on_trial_end(TrialRecord(**trial))
                case {"outcome": _} | {"gone": _} | {"error": _} | {"crash": _}:
                    told |= event  # its last lines follow
        code = child.wait(PATIENCE)
        printed.seek(0)
        lines = printed.read().splitlines()
    if "error" in told:
        raise ConfigError(told["error"])
    if "crash" in told:
        raise RuntimeError("\n".join([f"the search failed: {told['crash']}", *lines]))
    if "outcome" in told:
        return dict(told["outcome"])
    if "gone" in told:
        raise RayGoneError(told["gone"])
    if code in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    refused = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]  # by Click
    if code == 2 and refused:
        raise ConfigError(refused[-1])
    died = f"the process of the search ended with exit code {code}"
    if not began:
        raise RuntimeError("\n".join([died, *lines]))
    # Ray may end a process before anything of ours notices that it is gone.
    raise RayGoneError(f"{died}: {lines[-1] if lines else 'it said nothing'}")


@contextmanager
def _started(words: list[str], printed: IO[str]) -> Iterator["tuple[subprocess.Popen[str], Iterator[dict[str, Any]]]"]:
    """Start a search, and have it end tidily if it still runs at the end. Yield its process and its events.

    The events have a pipe of their own: what libraries print, and whatever Python runs as it starts, is no event.
    """
    places = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    reading, writing = os.pipe()
    # -P: a model.py or search.py in the working directory is not ours.
    line = [sys.executable, "-P", "-m", "search", "run", f"--parent={os.getpid()}", f"--events={writing}"]
    child = subprocess.Popen(
        [*line, *words],
        stdout=printed,
        stderr=printed,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        pass_fds=[writing],
        start_new_session=True,  # a terminal's Ctrl-C comes to this process alone, which passes it on
    )
    os.close(writing)
    try:
        with _passing_on_interrupts(child):
            yield child, _events(reading)
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


def _events(pipe: int) -> Iterator[dict[str, Any]]:
    """Yield what the search reports until it ends.

    A thread reads it as it comes: a callback that takes its time never holds up the search.
    """
    read: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read_all() -> None:
        try:
            with os.fdopen(pipe, encoding="utf-8") as lines:
                for line in lines:
                    if line.endswith("\n"):  # else the search was killed as it wrote it
                        read.put(json.loads(line))
        finally:
            read.put(None)

    threading.Thread(target=read_all, daemon=True).start()
    return iter(read.get, None)
