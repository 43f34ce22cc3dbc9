"""From Python: a search as one call that leaves the caller's process as it was, and raises what can be caught."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest
import scipy.stats  # noqa: F401  # whoever imports it first gets its filters for warnings
from optuna.trial import TrialState

from analysis.tables import trial_table
from model.errors import ConfigError, RayGoneError
from search import _events, run_search
from search.store import location
from search.store.records import TrialRecord, read_trials
from search.store.study import SEARCH, open_study
from tests.harness import ROOT, environment
from tests.searches import TINY

pytestmark = pytest.mark.usefixtures("two_cpus")  # a Ray that this process has started: it is used


def of_process() -> dict[str, Any]:
    """What a library call must leave as it was."""
    return {
        "environment": dict(os.environ),
        "levels": {name: logging.getLogger(name).level for name in ("", "ray", "optuna")},
        "optuna": optuna.logging.get_verbosity(),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
        "folder": Path.cwd(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def test_a_dict_is_searched_and_nothing_of_this_process_changes(
    tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[TrialRecord] = []
    before = of_process()
    outcome = run_search(TINY, trials=3, out=tmp_path, data=tiny_root, on_trial_end=ended.append)
    assert of_process() == before
    assert (outcome.stopped, outcome.run_dir, outcome.export) == (None, tmp_path / "search", tmp_path / "search/export")
    records = read_trials(outcome.run_dir)
    assert sorted(record.number for record in ended if "candidate" not in record.attributes) == [0, 1, 2]
    assert ended[0].state == "complete"
    assert ended[0].value == records[ended[0].number].value
    assert outcome.winner is not None
    card = json.loads((tmp_path / "search/export/model.json").read_text())
    assert card["provenance"]["source"]["candidate"] == outcome.winner.candidate
    assert list(trial_table(outcome.run_dir).state) == ["complete"] * 3
    said = capsys.readouterr()
    assert said.err == ""
    assert [line.split()[0] for line in said.out.splitlines()[-5:]] == ["report", "winner", "cost", "model", "classify"]

    with pytest.raises(ConfigError, match="a search of that name exists"):
        run_search(TINY, trials=3, out=tmp_path, data=tiny_root)
    again = run_search(TINY, trials=4, out=tmp_path, data=tiny_root, resume=True, quiet=True)
    assert [record.state for record in read_trials(again.run_dir)] == ["complete"] * 4
    assert read_trials(again.run_dir)[:3] == records


def test_a_callback_that_raises_ends_the_search_and_it_can_be_resumed(tiny_root: Path, tmp_path: Path) -> None:
    def refuse(record: TrialRecord) -> None:
        raise LookupError(record.number)

    with pytest.raises(LookupError):
        run_search(TINY, trials=200, out=tmp_path, data=tiny_root, on_trial_end=refuse, quiet=True)
    study = open_study(location.open_storage(tmp_path / "search"), SEARCH)
    assert study.trials(TrialState.COMPLETE)
    assert study.trials(TrialState.RUNNING) == []  # it ended tidily
    assert len(study.trials()) < 200


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        ({"search": {"trials": 0}}, {}, "search.trials = 0"),
        ({"search": {"trials": 1}, "hyperparameters": {"epoch": 1}}, {}, "did you mean 'epochs'?"),
        (TINY, {"trials": 0}, "--trials 0"),
        (TINY, {"name": "a/b"}, "--name a/b"),
        (TINY, {"address": "nowhere"}, "must be HOST:PORT"),
        ("none.toml", {}, "none.toml: no such file"),
    ],
    ids=str,
)
def test_mistakes_are_config_errors(tmp_path: Path, config: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run_search(config, out=tmp_path, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


RAY_DIES = """
import json, os, signal, sys
from contextlib import nullcontext
from pathlib import Path
from model.errors import RayGoneError
from search import _events, run_search
from tests.harness import descendants, title

family = set()

def strike(record):
    family.update(descendants(os.getpid()))
    for pid in family:
        if "gcs_server" in title(pid):
            os.kill(pid, signal.SIGKILL)

data, out, config = sys.argv[1:]
try:
    run_search(json.loads(config), trials=500, out=out, data=data, on_trial_end=strike)
except RayGoneError as error:
    print("caught:", error)
print("left:", [title(pid) for pid in family if title(pid)])
"""


def test_an_exception_comes_when_ray_dies_and_this_process_lives_on(tiny_root: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-c", RAY_DIES, str(tiny_root), str(tmp_path / "runs"), json.dumps(TINY)]
    (tmp_path / "runs").mkdir()
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = [text for text in done.stdout.splitlines() if text.startswith(("caught", "left"))]
    assert said[0].startswith("caught: Ray is gone: its control process (GCS) no longer answers"), done.stdout
    assert said[1:] == ["left: []"]


NOISE = """
import atexit, os, sys
print("{not an event")
print("error: not ours", file=sys.stderr)
atexit.register(print, "See https://example.org", file=sys.stderr)
import search.on_ray.door, search.run
from contextlib import nullcontext
from pathlib import Path
from search.winner import Outcome
def crash(): raise LookupError("broken")
def ends(): return Outcome(Path("run"), "interrupted", None, None)
search.run.run_search = lambda *_, **__: {act}
"""


@pytest.mark.parametrize(
    ("act", "expected", "said"),
    [
        ("ends()", None, ""),
        ("search.run.load_dataset('mnist', Path('none'))", ConfigError, "^mnist is not in none and can't be "),
        ("crash()", RuntimeError, "^the search failed: LookupError: broken\n"),
        ("os._exit(1)", RayGoneError, "^the process of the search ended with exit code 1: "),
        ("sys.modules['typer'] = None", RuntimeError, "^the process of the search ended"),
    ],
)
def test_what_others_print_is_no_event_and_no_error(
    act: str, expected: type[Exception] | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python runs a sitecustomize before anything of ours; libraries print as they like, up to the last moment."""
    noise = NOISE.replace("{act}", act) if "typer" not in act else f"import sys; {act}"
    (tmp_path / "sitecustomize.py").write_text(noise)
    monkeypatch.chdir(tmp_path)  # where the folder of the data set would be made
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(expected, match=said) if expected else nullcontext():
        assert run_search(TINY, out=tmp_path).stopped == "interrupted"


def test_events_are_read_while_a_callback_takes_its_time() -> None:
    """The search writes far more than a pipe has room for before the first of it is asked for."""
    reading, writing = os.pipe()
    events = _events(reading)

    def write() -> None:
        with os.fdopen(writing, "w") as pipe:
            pipe.writelines(json.dumps({"line": "x" * 1000}) + "\n" for _ in range(1000))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(60)
    assert not writer.is_alive()
    assert len(list(events)) == 1000
