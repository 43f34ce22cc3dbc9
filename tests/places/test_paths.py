"""Paths as people write them: with ~ wherever a path may stand, and names that no folder can have."""

import shutil
from pathlib import Path

import pytest

from model.errors import ConfigError
from search.store.folder import LONGEST_NAME, folder_of
from tests.analysis.studies import Writer
from tests.harness import command, tiny


def test_home_folders_are_meant_in_every_path(tiny_root: Path, tmp_path: Path) -> None:
    """One command begins with each path that a command takes; none has a folder `~` made."""
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    shutil.copytree(tiny_root, home / "data")
    writer = Writer(home / "runs" / "done", {"search": {"trials": 1, "pruner": "none"}, "confirm": {"top": 0}})
    writer.trial([0.9, 0.91])
    writer.storage.close()
    (home / "search.toml").write_text(tiny(trials=1, epochs=2).replace("[search]", '[search]\nstart_from = "~/none"'))
    words = ["~/search.toml", "--out=~/runs", "--data=~/data"]
    done = command(here, *words, HOME=str(home))
    assert f"{home / 'none'}: " in done.stderr, done.stderr
    for module, words, said in (
        ("analysis", ["~/runs/done", "--out=~/report"], str(home / "report" / "index.html")),
        ("search", ["confirm", "~/runs/nothing"], f"{home / 'runs' / 'nothing'}: "),
        ("classify_image", ["x.png", "--model=~/export"], f"{home / 'export'}/"),
    ):
        done = command(here, *words, module=module, HOME=str(home))
        assert said in done.stdout + done.stderr
    assert not any(here.iterdir())


def test_people_who_are_not_there_are_named(tmp_path: Path) -> None:
    done = command(tmp_path, "x.toml", "--out=~nobody-of-that-name/x")
    error = "error: ~nobody-of-that-name/x: no such person's home folder; write the folder's path in full\n"
    assert (done.returncode, done.stderr) == (2, error)


@pytest.mark.parametrize("letter", ["a", "\u00e4"])
def test_a_name_of_300_letters_is_refused_in_one_line(letter: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        folder_of(tmp_path, letter * 300)
    bytes_of_it = 300 * len(letter.encode())
    beginning = letter * 30
    assert str(caught.value) == (
        f"--name {beginning}...: takes {bytes_of_it} bytes, more than {LONGEST_NAME}; choose a shorter one"
    )
    longest = folder_of(tmp_path, "a" * LONGEST_NAME)
    longest.mkdir()
    (longest.parent / f"{longest.name}-hyperparameters.png").touch()  # a figure of a comparison
