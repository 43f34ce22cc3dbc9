"""A small export for the tests of places."""

from pathlib import Path

import torch

from model.export import Export, read_export
from model.network import Net
from tests.model.exports import WINNER, write


def small_export(folder: Path) -> Export:
    """Write and read an export whose network nobody trained."""
    torch.manual_seed(3)
    write(folder, Net(**WINNER.exported_architecture()), torch.full((3, 10), 0.1))
    return read_export(folder)
