"""Torn and flipped checkpoints, exports and configurations: the same values or one line, never other values."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analysis.report import write_report
from analysis.tables.run import read_run
from model.card import FILES, ExportError, read_whole
from model.checkpoint import FILE, CheckpointError, load
from model.errors import ConfigError
from model.export import read_export
from search.experiment import Experiment
from search.store.folder import check_folder
from search.store.resolved import load_resolved
from tests.chaos.damage.ways import CPU, damage, refused

pytestmark = pytest.mark.chaos


def test_every_damage_to_a_checkpoint_is_refused(run_dir: Path) -> None:
    path = next(run_dir.glob(f"ray/**/{FILE}"))
    assert load(path.parent, CPU).number is not None
    assert all(refused(lambda: load(path.parent, CPU), CheckpointError, how) for how in damage(path))


def export_values(folder: Path) -> dict[str, Any]:
    """Return all that an export says, its weights as bytes."""
    values = dict(vars(read_export(folder)))
    weights = values.pop("net").state_dict()
    return values | {name: tensor.numpy().tobytes() for name, tensor in weights.items()}


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_damaged_export_is_refused_or_read_as_it_was(run_dir: Path, name: str) -> None:
    folder = run_dir / "export"
    values, card = export_values(folder), read_whole(folder)
    for how in damage(folder / name):
        reading = refused(lambda: export_values(folder), ExportError, how, values)
        assert reading or name not in ("mnist_cnn.pt", "model.json"), how
        resuming = refused(lambda: read_whole(folder), ExportError, how, card)
        assert resuming or name == "SHA256SUMS", how  # its last line break means nothing


def test_every_damage_to_the_configuration_is_refused(run_dir: Path) -> None:
    assert all(refused(lambda: load_resolved(run_dir), ConfigError, how) for how in damage(run_dir / "experiment.toml"))


def test_every_reader_of_a_runs_configuration_refuses_a_plausible_change(run_dir: Path, experiment: Experiment) -> None:
    path = run_dir / "experiment.toml"
    path.write_text(path.read_text().replace("high = 0.3", "high = 0.4"))
    for read in (lambda: read_run(run_dir), lambda: check_folder(experiment, run_dir, resume=True)):
        with pytest.raises(ConfigError, match="damaged or edited .*edit your own CONFIG"):
            read()


class Preformatted(HTMLParser):
    """The text of the <pre> elements in a page's <details>, of which there is one."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.text = ""
        self._within = self._in_details = False
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self._in_details |= tag == "details"
        self._within = tag == "pre" and self._in_details

    def handle_data(self, data: str) -> None:
        self.text += data if self._within else ""

    def handle_endtag(self, _tag: str) -> None:
        self._within = False


def test_a_lost_configuration_can_be_restored_from_the_report(run_dir: Path) -> None:
    page = write_report([run_dir])
    before = load_resolved(run_dir)
    (run_dir / "experiment.toml").write_text(Preformatted(page).text)
    assert load_resolved(run_dir) == before
