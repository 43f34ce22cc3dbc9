"""Where checkpoints lie: how a place is stored and found again, and that no other folder is touched."""

from pathlib import Path

import pytest
from optuna.trial import create_trial

from model.errors import ConfigError
from search.store import location, object_store
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


@pytest.mark.parametrize("linked", ["ray", "ray/0000", "ray/0000/7", "ray/0000/7/checkpoint_1"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_nothing_is_deleted_through_a_link_out_of_the_place(tmp_path: Path, linked: str, elsewhere: bool) -> None:
    """Lay a link at each level of a checkpoint's path, to a folder of ours with the same levels below it."""
    place = Path("ray/0000/7/checkpoint_1")
    mine = tmp_path / "mine" / place.relative_to(linked) / "thesis.tex"
    link = tmp_path / "run" / linked
    link.parent.mkdir(parents=True)
    mine.parent.mkdir(parents=True)
    mine.touch()
    link.symlink_to(tmp_path / "mine")
    store = CheckpointStore(tmp_path / "run", str(tmp_path / "run") if elsewhere else None)
    stored = {"place": str(tmp_path / "run" / place) if elsewhere else str(place), "epoch": 1}
    if linked == str(place):
        store.delete(create_trial(value=0.5, user_attrs={"saved_state": stored}))  # the link itself goes
    else:
        with pytest.raises(ConfigError, match="a symbolic link leads from .* out of "):
            store.delete(create_trial(value=0.5, user_attrs={"saved_state": stored}))
    object_store.delete(str(link))
    location.discard(tmp_path / "run")
    assert mine.exists()


def test_a_run_whose_checkpoints_are_linked_elsewhere_is_refused_as_it_begins(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    CheckpointStore(tmp_path / "run").claim()
    (tmp_path / "run" / "ray").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="/run/ray: is a symbolic link out of the run's folder"):
        CheckpointStore(tmp_path / "run").claim()


def test_a_run_may_itself_be_linked_to(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    CheckpointStore(tmp_path / "run").claim()
    assert CheckpointStore(tmp_path / "run").attempt({"place": "ray/0000/7/checkpoint_1", "epoch": 1})
