"""docs/dashboards.md works as it stands: its commands beside a driver at work, its recipes on that run."""

import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from search.progress.tensorboard import EventFiles
from search.store.lock import run_lock
from tests.analysis.studies import Writer
from tests.harness import ROOT, until

PAGE = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
TENSORBOARD, OPTUNA_DASHBOARD = re.findall(r"^pip install .*\n(.*)\n```", PAGE, re.M)
MLFLOW, WEIGHTS_AND_BIASES = re.findall(r"^```(?:python|py)\n(.*?)```", PAGE, re.S | re.M)
SPACE = {"epochs": 3, "learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "pool": ["late", "early"]}
Ask = Callable[..., Any]  # the path of an address of a server's -> its answer


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    """A run that a driver holds: a trial is complete, another one has two epochs of three."""
    writer = Writer(
        tmp_path_factory.mktemp("here") / "runs" / "quick", {"search": {"trials": 4}, "hyperparameters": SPACE}
    )
    with run_lock(writer.run_dir):
        files = EventFiles(writer.run_dir / "tensorboard", [writer.study], pytest.fail)
        writer.storage.follow(files.update)
        writer.trial([0.9, 0.95, 0.97])
        writer.trial([0.8, 0.9], "open")
        yield writer
        writer.storage.close()


@contextmanager
def served(live: Writer, command: str, ready: str) -> Iterator[Ask]:
    """Run a command of the page in the folder that holds `runs`; yield what asks it, once it answers `ready`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *words = shlex.split(command)
    line = [Path(sys.executable).parent / program, *words, "--port", str(port)]
    here = live.run_dir.parents[1]

    def ask(path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{port}/{path}", sent, {"Content-Type": "application/json"}, **options)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            return bool(ask(ready))
        except OSError:
            return False

    log = here / f"{program}.log"
    with log.open("w") as output:
        server = subprocess.Popen(line, cwd=here, stdout=output, stderr=output)
    try:
        until(answers)
        yield ask
    finally:
        server.terminate()
        server.wait()


def test_tensorboard_shows_a_live_run(live: Writer) -> None:
    with served(live, f"{TENSORBOARD} --reload_interval 1", "data/runs") as ask:
        assert ask("data/runs") == ["search/trial-0000", "search/trial-0001"]

        def curve() -> list[tuple[int, float]]:
            points = ask("data/plugin/scalars/scalars?run=search%2Ftrial-0001&tag=accuracy%2Fvalidation")
            return [(step, round(accuracy, 4)) for _, step, accuracy in points]

        live.epoch(1, 0.93)
        until(lambda: len(curve()) == 3)
        assert curve() == [(1, 0.8), (2, 0.9), (3, 0.93)]
        asked = {"startIndex": 0, "sliceSize": 9, "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS"]}
        table = ask("data/plugin/hparams/session_groups", {**asked, "colParams": []})["sessionGroups"]
    for trial, row in zip(live.study.trials(), table, strict=True):
        assert row["hparams"] == trial.params
        assert [metric["value"] for metric in row["metricValues"]] == [pytest.approx(trial.intermediate_values[3])]


def test_the_dashboard_of_optuna_shows_a_live_run_and_cannot_change_it(live: Writer) -> None:
    with served(live, OPTUNA_DASHBOARD, "api/studies") as ask:
        [study] = ask("api/studies")["study_summaries"]
        assert study["study_name"] == "search"
        live.trial([0.7])
        trials = ask(f"api/studies/{study['study_id']}")["trials"]
        with pytest.raises(HTTPError, match="500"):
            ask(f"api/studies/{study['study_id']}", method="DELETE")
    found = [(trial["state"], [step["value"] for step in trial["intermediate_values"]]) for trial in trials]
    stored = [
        (trial.state.name.capitalize(), list(trial.intermediate_values.values())) for trial in live.study.trials()
    ]
    assert found == stored
    assert len(stored) == 3


def test_the_recipe_for_mlflow_copies_each_trial_with_its_curve(
    live: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database would take seconds to begin
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    monkeypatch.chdir(live.run_dir.parents[1])
    names: dict[str, Any] = {}
    exec(MLFLOW, names)
    client = names["mlflow"].MlflowClient()
    experiment = client.get_experiment_by_name("quick")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {f"trial {trial.number}" for trial in live.study.trials()}
    for trial in live.study.trials():
        run = runs[f"trial {trial.number}"]
        history = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert {metric.step: metric.value for metric in history} == trial.intermediate_values
        assert run.data.params["learning_rate"] == str(trial.params["learning_rate"])
        assert run.data.params["batch_size"] == "64"


def test_the_recipe_for_weights_and_biases_logs_each_trial_with_its_curve(
    live: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its library is no part of the tests' packages; this stands in for the two functions that the recipe calls."""
    logged: list[tuple[int, float]] = []

    @contextmanager
    def init(project: str, name: str, config: dict[str, Any]) -> Iterator[SimpleNamespace]:
        assert json.loads(json.dumps(config))["learning_rate"] > 0
        yield SimpleNamespace(log=lambda metrics, step: logged.append((step, metrics["val_accuracy"])))

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    monkeypatch.chdir(live.run_dir.parents[1])
    exec(WEIGHTS_AND_BIASES, {})
    assert logged == [point for trial in live.study.trials() for point in trial.intermediate_values.items()]
