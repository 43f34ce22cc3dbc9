"""A run is read as a whole, and what is damaged in its folder is named."""

from pathlib import Path

import pytest

from analysis.tables.run import read_run
from model.errors import ConfigError
from tests.analysis.studies import ENVIRONMENT, NewRun

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 2}


def test_a_broken_model_card_is_named(new_run: NewRun) -> None:
    new = new_run(SPACE)
    new.export({}, {})
    (new.run_dir / "export" / "model.json").write_text("{")
    with pytest.raises(ConfigError, match=r"model\.json: damaged or changed: .*python -m search confirm"):
        read_run(new.run_dir)


def test_the_environment_is_read(halving_run: Path) -> None:
    assert read_run(halving_run).environment == ENVIRONMENT
