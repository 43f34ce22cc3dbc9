"""Where checkpoints lie: how a place is stored and found again, and that no other folder is touched."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from search.store.checkpoint_store import CheckpointStore
from search.store.checkpoints import places


@pytest.mark.parametrize("elsewhere", [None, "/mnt/run", "s3://bucket/run?region=eu"])
def test_a_study_can_not_have_other_folders_deleted_or_read(tmp_path: Path, elsewhere: str | None) -> None:
    store = CheckpointStore(tmp_path, elsewhere)
    mine = str(tmp_path / "mine" / "x")
    paths = [
        mine,
        "../mine/x",
        "mine/x",
        "ray/../mine/x",
        "ray/x",
        "/mnt/run/../x/y",
        "/mnt/running/x/y",
        "/mnt/run/x",
    ]
    urls = ["s3://bucket/run/x?region=eu", "s3://bucket/run/a/../../x/y?region=eu", "s3://other/run/a/b?region=eu"]
    for place in [*paths, *urls, "s3://bucket/run/a/b", "gs://bucket/run/a/b?region=eu"]:
        with pytest.raises(ConfigError, match="as a checkpoint, outside "):
            store.attempt({"place": place, "epoch": 1})
        with pytest.raises(ConfigError, match="as a checkpoint, outside "):  # nor read
            places(store, {"saved_state": {"place": place, "epoch": 1}})


@pytest.mark.parametrize(
    ("elsewhere", "path", "place", "attempt"),
    [
        (None, "{here}/ray/0000/7/checkpoint_1", "ray/0000/7/checkpoint_1", "{here}/ray/0000/7"),
        ("/mnt/run", "/mnt/run/0000/7/checkpoint_1", "/mnt/run/0000/7/checkpoint_1", "/mnt/run/0000/7"),
        (
            "s3://bucket/run?region=eu",
            "bucket/run/0000/7/checkpoint_1",
            "s3://bucket/run/0000/7/checkpoint_1?region=eu",
            "s3://bucket/run/0000/7?region=eu",
        ),
    ],
)
def test_the_place_of_a_checkpoint_is_stored_and_found(
    tmp_path: Path, elsewhere: str | None, path: str, place: str, attempt: str
) -> None:
    store = CheckpointStore(tmp_path, elsewhere)
    assert store.place_of(path.format(here=tmp_path)) == place
    assert store.attempt({"place": place, "epoch": 1}) == attempt.format(here=tmp_path)
    assert store.found(place).removeprefix(f"{tmp_path}/") == place
