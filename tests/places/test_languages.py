"""Languages with decimal commas, and with an i of their own: what is read, shown and written stays the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.studies import Writer
from tests.harness import ROOT

LANGUAGES = ["C", "fr_FR", "tr_TR"]
# As an application does that follows its user's language: all of C's and Python's functions are then told of it.
SCRIPT = """
import json, locale, re, sys
from pathlib import Path
from analysis.report import write_report
from analysis.tables import trial_table
from search.experiment import load_experiment
run, config, *languages = sys.argv[1:]
for language in languages:
    locale.setlocale(locale.LC_ALL, language)
    place = write_report([Path(run)], Path(run).parent / language).parent
    files = {path.name: path.read_bytes().hex() for path in place.iterdir() if path.suffix in (".csv", ".png")}
    page = re.sub(r"[-0-9]+ [:0-9]+ UTC", "now", (place / "index.html").read_text("utf-8"))
    rate = load_experiment(Path(config)).space.searched["learning_rate"].low
    print(json.dumps([locale.localeconv()["decimal_point"], rate, trial_table(run).to_csv(), page, files]))
"""


def test_a_report_in_every_language(tmp_path: Path) -> None:
    for language in LANGUAGES[1:]:
        try:
            line = ["localedef", "-i", language, "-f", "UTF-8", str(tmp_path / language)]
            subprocess.run(line, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no {language} can be made here ({error}); Debian's package locales has it")
    space = {"learning_rate": {"low": 0.05, "high": 3.0, "log": True}, "epochs": 2}
    search = {"trials": 3, "pruner": "none", "recipe_first": False}
    writer = Writer(tmp_path / "run", {"search": search, "hyperparameters": space})
    for accuracy in (0.9, 0.91, 0.925):
        writer.trial([accuracy - 0.02, accuracy])
    writer.storage.close()
    (tmp_path / "a.toml").write_text(
        "[search]\ntrials = 2\n[hyperparameters]\nlearning_rate = { low = 0.05, high = 3.0, log = true }\n"
    )
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), str(tmp_path / "a.toml"), *LANGUAGES]
    env = {**os.environ, "LOCPATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    points, rates, tables, pages, files = zip(*map(json.loads, done.stdout.splitlines()), strict=True)
    assert points == (".", ",", ",")
    assert set(rates) == {0.05}
    assert len(set(tables)) == len(set(pages)) == 1
    assert files[0]
    assert files[0] == files[1] == files[2]
