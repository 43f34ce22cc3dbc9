"""MNIST's files, damaged: images as they are, or one clear line."""

import random
from pathlib import Path

from model.data import DataError, load_dataset
from tests.conftest import write_idx
from tests.fuzz.mutation import INPUTS, mutated
from tests.fuzz.survival import survived


def test_mutated_data_files(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    write_idx(raw, train=220, test=20)
    contents = {path: path.read_bytes() for path in sorted(raw.iterdir())}
    loaded = 0
    for number in range(INPUTS):
        generator = random.Random(f"idx {number}")
        path = generator.choice(list(contents))
        match generator.randrange(20):
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(contents[generator.choice(list(contents))])
            case _:
                path.write_bytes(mutated(contents[path], generator))
        limit = generator.choice((None, 100, 119))
        with survived(DataError, f"data {number} ({path.name})", raw):
            data = load_dataset("mnist", tmp_path, validation_images=100, train_images=limit)
            assert (len(data.train), len(data.val), len(data.rest)) == (limit or 120, 100, 120 - (limit or 120))
            assert 0 < data.std < 1
            loaded += 1
        path.write_bytes(contents[path])
    assert 0 < loaded < INPUTS
