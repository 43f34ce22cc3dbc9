"""Whole searches whose PostgreSQL goes away: as paused trials are settled, and as a person stops the search."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.experiment import load_experiment
from search.progress import Progress
from search.run import run_search
from search.store import outage
from search.store.records import read_trials
from search.store.study import CONFIRM
from search.trials import Trials
from tests.chaos.postgres import Server, running_server
from tests.harness import driver, log_of, recorded, records, tiny, until
from tests.without_ray import without_ray

pytestmark = pytest.mark.chaos


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


PROMOTED = """
[search]
trials = 4
pruner = "promote"
storage = "{url}"
[data]
validation_images = 100
[hyperparameters]
epochs = 2
conv1_width = 2
conv2_width = 2
hidden_width = 16
pool = "early"
batch_size = 100
dropout1 = {{ low = 0.0, high = 0.3 }}
[confirm]
top = 1
seeds = 2
"""


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_server_that_is_gone_as_paused_trials_are_settled(
    server: Server, tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    """Either it is outlasted, or the run stops and says why; no confirmation runs that is stored nowhere."""
    (tmp_path / "promoted.toml").write_text(PROMOTED.format(url=server.url))
    wanted, run_dir, settle = load_experiment(tmp_path / "promoted.toml"), tmp_path / "run", Trials.settle

    def gone(trials: Trials) -> None:
        server.stop()
        if comes_back:
            server.start()
        settle(trials)

    monkeypatch.setattr(outage, "LIMIT", 1)
    with monkeypatch.context() as patched:
        patched.setattr(Trials, "settle", gone)
        outcome = run_search(wanted, run_dir, Progress(quiet=True), data=tiny_root, connect=without_ray())
    if not comes_back:
        assert str(outcome.stopped).startswith("the study's database no longer answers (")
        assert outcome.export is None
        server.start()
        outcome = run_search(wanted, run_dir, Progress(quiet=True), data=tiny_root, resume=True, connect=without_ray())
    assert outcome.stopped is None
    assert {record.state for record in read_trials(run_dir)} == {"complete", "pruned"}
    assert [record.state for record in read_trials(run_dir, CONFIRM)] == ["complete"] * 2


def test_ctrl_c_ends_a_search_that_waits_for_its_database(server: Server, tmp_path: Path, tiny_root: Path) -> None:
    text = tiny(trials=2, epochs=9_999).replace("[search]", f'[search]\nstorage = "{server.url}"')
    (tmp_path / "shared.toml").write_text(text)
    with driver(tmp_path, "shared.toml", "--data", str(tiny_root)) as process:
        until(lambda: process.poll() is not None or recorded(tmp_path / "runs" / "shared") > 2)
        server.stop()
        until(lambda: process.poll() is not None or "; trying again for up to 600 s" in log_of(tmp_path))
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130, log_of(tmp_path)
    assert "interrupted; go on with: " in log_of(tmp_path).splitlines()[-1]
    server.start()
    assert {record.state for record in records(tmp_path / "runs" / "shared")} == {"interrupted"}
