"""A search with its checkpoints in an object store: killed, resumed and exported, equal to one with them in its folder.

The store is moto's, which answers as Amazon's S3 does, started here.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSelector

from model.card import read_whole
from search.experiment import load_experiment
from search.progress import Progress
from search.run import run_search
from search.store import checkpoints, location, object_store
from search.store.candidates import best_first
from search.store.records import TrialRecord, read_trials
from search.store.study import CONFIRM, SEARCH
from tests.chaos.test_equal import assert_equal
from tests.harness import command, descendants, driver, epochs_lasting, kill, log_of, records, tiny, until
from tests.without_ray import without_ray

pytestmark = pytest.mark.chaos
ONE = "cpus_per_trial = 2"  # one trial at a time
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


def started(port: int = 0) -> ThreadedMotoServer:
    """Start a server; what was put into its buckets stays in this process, if it is stopped."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    return server


def place_at(server: ThreadedMotoServer) -> str:
    """Return a place in a new bucket of a server."""
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="digits")
    return f"s3://digits/runs?endpoint_override={host}:{port}&scheme=http&region=us-east-1"


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """Return a place in a bucket of a server."""
    server = started()
    yield place_at(server)
    server.stop()


def test_a_search_is_killed_resumed_and_exported(place: str, tmp_path: Path, tiny_root: Path) -> None:
    text = tiny(trials=6, epochs=8, pruner="promote").replace("top = 0", "top = 1\nseeds = 1\n[resources]\n" + ONE)
    (tmp_path / "stored.toml").write_text(text.replace("[search]", f'[search]\ncheckpoints = "{place}"'))
    line, run_dir = ["stored.toml", "--resume", "--data", str(tiny_root)], tmp_path / "runs" / "stored"

    with driver(tmp_path, *line, **KEYS) as process:
        until(lambda: process.poll() is not None or len(waiting(run_dir)) >= 2)
        assert process.poll() is None, log_of(tmp_path)
        family = descendants(process.pid)
        process.kill()
        process.wait()
        kill(family)
    waited = waiting(run_dir)
    for trial in waited:
        assert all(found.startswith("s3://digits/runs/stored-") for found in places(run_dir, trial))
    done = command(tmp_path, *line, **KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    for before in waited:  # what came before its checkpoint was not trained again
        saved = checkpoints.epoch_of(before.attributes)
        assert read_trials(run_dir)[before.number].epochs[:saved] == before.epochs[:saved]

    (tmp_path / "alone.toml").write_text(text)
    alone = tmp_path / "alone"
    experiment = load_experiment(tmp_path / "alone.toml")
    run_search(experiment, alone, Progress(quiet=True), data=tiny_root, connect=without_ray())
    assert_equal(run_dir, alone)
    assert read_whole(run_dir / "export").sha256 == read_whole(alone / "export").sha256
    assert not (run_dir / "ray").exists()
    needed = [*best_first(read_trials(run_dir, SEARCH))[:1], *read_trials(run_dir, CONFIRM)]
    kept = {f"{path_of(found)}/state.bin" for trial in needed for found in places(run_dir, trial)}
    states = states_at(place)
    assert kept <= states
    assert len(states - kept) <= 1  # of the trial that was killed


def test_a_store_that_can_not_be_written_to_is_named_at_once(place: str, tmp_path: Path, tiny_root: Path) -> None:
    elsewhere = place.replace("digits", "absent")
    (tmp_path / "stored.toml").write_text(tiny(2, 2).replace("[search]", f'[search]\ncheckpoints = "{elsewhere}"'))
    refused = command(tmp_path, "stored.toml", "--data", str(tiny_root), **KEYS)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: search.checkpoints: s3://absent/runs/stored-")
    assert "can't be written to (" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_an_outage_of_the_store_is_waited_for_and_charged_to_no_trial(
    tmp_path: Path, tiny_root: Path, note: Callable[[str], None]
) -> None:
    """Stop the server, so that connections are refused, until a trial has met that; then start it again."""
    server = started()
    _, port = server.get_host_and_port()
    text = tiny(trials=2, epochs=epochs_lasting(15, tiny_root, tmp_path))
    text = text.replace("[search]", f'[search]\ncheckpoints = "{place_at(server)}"')
    (tmp_path / "stored.toml").write_text(text)
    run_dir = tmp_path / "runs" / "stored"
    with driver(tmp_path, "stored.toml", "--data", str(tiny_root), **KEYS) as process:
        until(lambda: process.poll() is not None or waiting(run_dir))
        server.stop()
        until(lambda: process.poll() is not None or "; its trials go elsewhere or wait" in log_of(tmp_path))
        assert process.poll() is None, log_of(tmp_path)
        again = started(port)
        assert process.wait(300) == 0, log_of(tmp_path)
        again.stop()
    trials = read_trials(run_dir)
    assert {trial.state for trial in trials} == {"complete"}, log_of(tmp_path)
    assert not any(trial.attributes.get("retries") for trial in trials)
    assert "saves checkpoints again" in log_of(tmp_path)
    assert "left out" not in log_of(tmp_path)
    note("an object store that refused connections for a while: waited for; no trial was charged")


def waiting(run_dir: Path) -> list[TrialRecord]:
    """Return the trials of a search that have a checkpoint and have not ended."""
    unfinished = [record for record in records(run_dir) if record.state in ("paused", "running", "interrupted")]
    return [record for record in unfinished if checkpoints.epoch_of(record.attributes)]


def states_at(place: str) -> set[str]:
    system, path = object_store.file_system(place)
    found = system.get_file_info(FileSelector(path, recursive=True))
    return {file.path for file in found if file.base_name == "state.bin"}


def path_of(place: str) -> str:
    return object_store.file_system(place)[1]


def places(run_dir: Path, record: TrialRecord) -> list[str]:
    return checkpoints.places(location.checkpoint_store(run_dir), record.attributes)
