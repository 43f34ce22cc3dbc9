"""A study that another Optuna wrote is named as such, in one line, and read all the same."""

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from analysis.tables import trial_table
from model.errors import ConfigError
from search.store.location import open_storage
from tests.analysis.studies import Writer


@pytest.mark.parametrize(("schema", "theirs"), [("v9.0.0.a", "9.0.0"), ("v2.4.0.a", "2.4.0")])
def test_tables_of_another_optuna(schema: str, theirs: str, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    writer = Writer(run_dir, {"search": {"trials": 1, "pruner": "none"}})
    writer.trial([0.9, 0.91])
    writer.storage.close()
    with closing(sqlite3.connect(run_dir / "study.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [schema])
        connection.execute("UPDATE version_info SET library_version = ?", [theirs])
        connection.commit()
    with pytest.raises(ConfigError) as caught:
        open_storage(run_dir)
    said = str(caught.value)
    begin = (
        f"{run_dir / 'study.db'}: Optuna {theirs} wrote its tables, and Optuna {optuna.__version__} can't use them; "
    )
    assert said.startswith(f"{begin}install that one (pip install optuna=={theirs})")
    assert ("optuna storage upgrade --storage sqlite:///" in said) == (theirs == "2.4.0")
    assert trial_table(run_dir).val_accuracy.tolist() == [0.91]
